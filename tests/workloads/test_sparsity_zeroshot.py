"""Tasks and their scores against single steps and numbers worked out by hand."""

import itertools
import json
import lzma
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.models import Rwkv4, Rwkv4Shape
from workloads.sparsity.make_tasks import CONTEXT_BYTES, make_tasks, write_tasks
from workloads.sparsity.tasks import Item, Task, find_task, read_task, shipped_task
from workloads.sparsity.thresholds import threshold_tap
from workloads.sparsity.zeroshot import (
    ByteText,
    answer,
    answer_tokens,
    encode_pair,
    score,
    standard_error,
)

PAIRS = [("ab", " cde"), ("", "xy"), ("some longer context", " w"), ("ab", " zz zz")]


def by_steps(model: Rwkv4, context: bytes, more: bytes) -> tuple[float, bool]:
    total, greedy, state = 0.0, True, None
    whole = context + more
    for i, (token, target) in enumerate(itertools.pairwise(whole), 1):
        logits, state = model.step(token, state)
        if i >= len(context):
            total += float(torch.log_softmax(logits.double(), 0)[target])
            greedy &= int(logits.argmax()) == target
    return total, greedy


def test_answers_are_those_of_single_steps(small_model: Rwkv4) -> None:
    for found, (context, more) in zip(answer(small_model, PAIRS), PAIRS, strict=True):
        logprob, greedy = by_steps(small_model, context.encode() or b"\n", more.encode())
        assert found.logprob == pytest.approx(logprob, abs=1e-4)
        assert (found.tokens, found.greedy) == (len(more), greedy)


def test_what_is_greedy_is_found(small_model: Rwkv4) -> None:
    text, state = list(b"abc"), None
    for token in text:
        logits, state = small_model.step(token, state)
    text.append(int(logits.argmax()))
    logits, _ = small_model.step(text[-1], state)
    text.append(int(logits.argmax()))
    from workloads.models.sited import sited

    right, wrong = answer_tokens(
        sited(small_model), [text, [*text[:-1], (text[-1] + 1) % 256]], [2, 2]
    )
    assert (right.greedy, wrong.greedy) == (True, False)


def test_thresholds_act_on_answers(small_model: Rwkv4) -> None:
    natural = answer(small_model, PAIRS)
    silent = answer(small_model, PAIRS, tap=threshold_tap({"blocks.0.att.out": 1e9}))
    assert all(a.logprob != b.logprob for a, b in zip(natural, silent, strict=True))


class Told:
    """A model that says what it is told: logits by the last token."""

    vocab, stages, positions, sites, gates, block_macs = 256, 1, None, (), (), 1

    def __init__(self, table: dict[str, str]) -> None:
        self.table = torch.zeros(256, 256)
        for before, after in table.items():
            self.table[ord(before), ord(after)] = 5.0

    def fingerprint(self) -> str:
        return ""

    def start(self, tokens: Tensor) -> tuple[Tensor]:
        return (self.table[tokens],)

    def run(self, first: int, last: int, carry: object, tap: object) -> object:
        yield carry

    def logits(self, carry: tuple[Tensor], tap: object) -> Tensor:
        return carry[0]


def test_accuracies_by_hand() -> None:
    """ " b" is likely behind "a"; " cc" is not, but its second letter is, so it wins by length."""
    model = Told({"a": " ", " ": "b", "c": "c"})
    items = (
        Item((("a", " b"), ("a", " d")), 0),  # right both ways
        Item((("a", " b"), ("a", " d")), 1),  # wrong both ways
        Item((("a", " dcccccc"), ("a", " b")), 0),  # only with lengths
    )
    found = score(model, Task("t", items))  # type: ignore[arg-type]
    # log p: likely 5 - log(e^5 + 255), other -log(e^5 + 255) (or - log 256 from an untold letter)
    likely, other = 5 - math.log(math.exp(5) + 255), -math.log(math.exp(5) + 255)
    untold = -math.log(256)
    long = likely + other + untold + 5 * likely
    assert long / 8 < (2 * likely) / 2  # so the third is wrong even with lengths
    assert (found.accuracy, found.normalised, found.chance) == (1 / 3, 1 / 3, 0.5)
    nats = (likely + (likely + other) / 2 + long / 8) / 3
    assert found.nats == pytest.approx(nats, abs=1e-5)
    assert found.stderr == pytest.approx(math.sqrt(1 / 3 * 2 / 3 / 2))


def test_length_decides_between_a_long_and_a_short_choice() -> None:
    model = Told({"a": "x", "x": "c", "c": "c"})
    # "xcccc" costs five likely letters, "zz" two unlikely ones; "q" one unlikely.
    item = Item((("a", "xcccccccc"), ("a", "q")), 0)
    found = score(model, Task("t", (item, item)))  # type: ignore[arg-type]
    likely, other = 5 - math.log(math.exp(5) + 255), -math.log(math.exp(5) + 255)
    assert 9 * likely < other < 0  # the short one is likelier as a whole
    assert (found.accuracy, found.normalised) == (0.0, 1.0)


def test_last_words_must_come_out_letter_by_letter() -> None:
    model = Told({"a": " ", " ": "b"})
    items = (Item((("a", " b"),), 0), Item((("a", " c"),), 0))
    found = score(model, Task("t", items))  # type: ignore[arg-type]
    assert (found.accuracy, found.normalised, found.normalised_stderr) == (0.5, None, None)
    assert found.chance == 0


def test_standard_errors() -> None:
    """Of 1, 1, 1, 0: sample variance 1/4, so 0.5 / 2."""
    assert standard_error(0.75, 4) == pytest.approx(0.25)
    assert math.isnan(standard_error(1.0, 1))


def test_the_four_kinds_of_lines(tmp_path: Path) -> None:
    lines = [
        {"query": "Question: Why?\n", "choices": ["x", "y"], "gold": 1},
        {"query": "It is", "choices": ["x", "y"], "gold": 0},
        {"context_options": ["A so A", "A so B"], "continuation": "won.", "gold": 1},
        {"context": "say", "continuation": "it"},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    path = tmp_path / "mine.jsonl.xz"
    path.write_bytes(lzma.compress(text.encode()))
    assert read_task(path) == Task("mine", (
        Item((("Question: Why?\nAnswer:", " x"), ("Question: Why?\nAnswer:", " y")), 1),
        Item((("It is", " x"), ("It is", " y")), 0),
        Item((("A so A", " won."), ("A so B", " won.")), 1),
        Item((("say", " it"),), 0),
    ))  # fmt: skip
    (tmp_path / "mine.jsonl").write_text(text)
    assert find_task(str(tmp_path / "mine.jsonl")).items == read_task(path).items
    assert read_task(path).first(2).items == read_task(path).items[:2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.jsonl: there is no item in it"),
        ('{"query": "a"}', r"t\.jsonl:1: is no item \(KeyError: 'context'\); expected query, choi"),
        ('{"context": "a", "continuation": "b"}\n{', r"t\.jsonl:2: is no item \(JSONDecodeError"),
        ('{"query": "a", "choices": ["b", "c"], "gold": 2}', r"\(IndexError: gold 2 of 2 choices"),
    ],
)
def test_faulty_tasks(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_task(tmp_path / "t.jsonl")
    assert "\n" not in str(caught.value)


def test_tasks_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^task 'cloze2': neither a file nor one that ships"):
        find_task("cloze2")
    with pytest.raises(InputError, match=r"cannot be read \(Input format not supported"):
        (tmp_path / "a.jsonl.xz").write_text("plain")
        read_task(tmp_path / "a.jsonl.xz")


def test_an_empty_continuation() -> None:
    with pytest.raises(InputError, match=r"^continuation '' has no token of its own$"):
        encode_pair("a", "", ByteText())


def test_broken_models_are_named(make_weights: Callable[..., dict[str, Tensor]]) -> None:
    shape = Rwkv4Shape(1, 8, 20, 256)
    weights = {**make_weights(shape), "ln_out.bias": torch.full((8,), math.nan)}
    with pytest.raises(InputError, match=r"^logits: NaN or infinity among the activations"):
        answer(Rwkv4(shape, weights), [("a", "b")])


BOOK = "\n\n".join(
    " ".join(
        f"{name} said {word} about the long {thing} of {word}s, and we all remembered {thing}."
        for word in ("truth", "water", "stone", "light", "music", "bread", "river", "grace")
    )
    for name, thing in (("Anne", "story"), ("Jane", "letter"), ("Mary", "garden"))
)


def test_tasks_are_made_of_the_text() -> None:
    tasks = make_tasks(BOOK.encode(), seed=1)
    assert tasks == make_tasks(BOOK.encode(), seed=1)
    assert tasks != make_tasks(BOOK.encode(), seed=2)
    for item in tasks["continuation"]:
        truth = f"{item['query']} {item['choices'][item['gold']]}"
        assert truth in BOOK
        others = [c for i, c in enumerate(item["choices"]) if i != item["gold"]]
        assert len(set(item["choices"])) == 4
        assert not any(f"{item['query']} {other}" in BOOK for other in others)
        assert all(other in BOOK for other in others)
        least, most = CONTEXT_BYTES["continuation"]
        assert least <= len(item["query"]) <= most
    for item in tasks["cloze"]:
        assert f"{item['context']} {item['continuation']}." in BOOK
        assert item["continuation"] in item["context"]
    with pytest.raises(InputError, match=r"^text: gives no item for 'continuation'"):
        make_tasks(b"Too short.")


def test_task_files_read_back(tmp_path: Path) -> None:
    counts = write_tasks(BOOK.encode(), tmp_path)
    for name, n in counts.items():
        assert len(read_task(tmp_path / f"{name}.jsonl.xz").items) == n > 3


def test_the_shipped_tasks() -> None:
    """Balanced gold answers, contexts of the size they should have, text that was held out."""
    four, last = shipped_task("continuation"), shipped_task("cloze")
    assert (len(four.items), len(last.items)) == (247, 200)
    assert (four.choices, last.choices) == (4, 1)
    golds = [sum(item.gold == i for item in four.items) for i in range(4)]
    assert min(golds) > 40
    training = " ".join(zoo.calibration_text().decode(errors="ignore").split())
    contexts = [item.pairs[0][0] for item in (*four.items, *last.items)]
    assert not any(context in training for context in contexts)
