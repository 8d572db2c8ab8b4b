"""Several tokens: windows, credits, the host (S8, S13-S15, S17)."""

from dataclasses import replace

from seneca_sim.conformance.build import stream_of
from seneca_sim.conformance.programs import chip, single, stored, windowed_chain
from seneca_sim.conformance.scenario import Run, scenario


@scenario("S14", "S15")
def window_of_one() -> Run:
    """A token's credit is back 95 cycles after it enters (`one_event`); then the next enters."""
    c = chip(window=1)
    stream = stream_of([1] * 3, [2] * 3, [0] * 3)
    return Run(c, single(c), stream, {
        "token_start": [0, 95, 190],
        "token_done": [77, 172, 267],
        "cycles": 285,
    }, "pipelined")  # fmt: skip


@scenario("S8", "S14", "S15", "S17")
def window_of_two() -> Run:
    """Two tokens at once; the controller takes input before it sends.

    Token 0 as in `one_event`: taken .. 45, answer created 53, credit 54. Token 1: the link is free
    in 2, there in 5, taken 45 .. 87; group 81 .. 86, stage .. 93; created 95 and 96. Sent: answer 0
    87 .. 107, credit 0 .. 127, at the host in 129: token 2 enters, there in 132. Answer 1 127 ..
    147. Token 2 147 .. 189: group 183 .. 188, stage 189 .. 195, created 197, 198. Credit 1 189 ..
    209, host 211: token 3, there in 214. Answer 2 209 .. 229. Token 3 229 .. 271: stage .. 277,
    created 279, 280. Credit 2 271 .. 291, answer 3 .. 311, credit 3 .. 331, host 333.
    """
    c = chip()
    return Run(c, single(c), stream_of([1] * 4, [2] * 4, [0] * 4), {
        "cycles": 333,
        "token_start": [0, 0, 129, 211],
        "token_done": [111, 151, 233, 315],
        "stage_done": [[51, 93, 195, 277]],
        "packets": {
            (0, 1, 0, 0): (0, 0, 5, 45, 87),
            (0, 2, 0, 0): (129, 129, 132, 147, 189),
            (0, 3, 0, 0): (211, 211, 214, 229, 271),
            (1, 1, 0, 1): (95, 147, 151, 151, 151),
            (2, 2, 0, 1): (198, 291, 293, 293, 293),
        },
    }, "pipelined")  # fmt: skip


@scenario("S15")
def generation_waits_for_the_answer() -> Run:
    """Token 1 begins in 77, when the answer is there (`one_event`), before the credit is.

    There in 80; the controller sends credit 0 73 .. 93; taken 93 .. 135, group 129 .. 134, stage ..
    141, answer 143 .. 163, host 167; credit .. 183, host 185.
    """
    c = chip()
    return Run(c, single(c), stream_of([1, 1], [2, 2], [0, 0]), {
        "cycles": 185,
        "token_start": [0, 77],
        "token_done": [77, 167],
        "packets": {(0, 1, 0, 0): (77, 77, 80, 93, 135)},
    })  # fmt: skip


@scenario("S8", "S15")
def two_sequences_in_generation() -> Run:
    """Two sequences in turns: token t begins when token t - 2 is answered; no window bars it.

    Tokens 0 and 1 enter in 0 and are taken .. 45 and .. 87 as in `window_of_two`. Answer 0 is sent
    87 .. 107, at the host in 111: token 2 enters, there in 114. Credit 0 107 .. 127. Token 2 taken
    127 .. 169: group 163 .. 168, stage .. 175, created 177, 178. Answer 1 169 .. 189, host 193:
    token 3 enters, there in 196. Credit 1 189 .. 209. Token 3 taken 209 .. 251: stage .. 257,
    created 259, 260. Answer 2 251 .. 271, host 275; credit 2 .. 291, answer 3 .. 311, host 315;
    credit 3 .. 331, host 333.
    """
    c = chip(window=4)
    program = replace(single(c), sequences=2)
    return Run(c, program, stream_of([1] * 4, [2] * 4, [0] * 4), {
        "cycles": 333,
        "token_start": [0, 0, 111, 193],
        "token_done": [111, 193, 275, 315],
        "stage_done": [[51, 93, 175, 257]],
        "packets": {
            (0, 2, 0, 0): (111, 111, 114, 127, 169),
            (0, 3, 0, 0): (193, 193, 196, 209, 251),
            (1, 1, 0, 1): (95, 189, 193, 193, 193),
            (1, 3, 0, 1): (259, 311, 315, 315, 315),
        },
    })  # fmt: skip


@scenario("S13", "S14", "S16", "S17", "S20")
def credit_opens_a_window() -> Run:
    """Token 1's vector for core 1 waits for the credit of token 0.

    Core 0: there in 3, .. 39, stage 45, created 46, credit 47; sent .. 66 .. 86, host 88. Core 1:
    there in 68 + 3 = 71, .. 107 .. 113; group 107 .. 112, stage 113 .. 119; answer 120 .. 140, host
    144; credit .. 160, two outputs, at core 0 in 164, taken .. 184. Token 1: enters in 88, at core
    0 in 91, taken .. 127, stage 133, created 134 and barred until 184, sent .. 204, at core 1 in
    209. Then as token 0, 138 later; its answer 282. Credits: core 0's 204 .. 224, core 1's at core
    0 302 .. 322. Blocked: 134 .. 184, the taking of the credit included. Core 0's stage (item 3):
    two pushes, two vectors, two credits out, two credits in. Active: core 0: 3 .. 86, 91 .. 135,
    164 .. 224, 302 .. 322. Core 1: 71 .. 160, 209 .. 298.
    """
    c = chip(2, 1, window=1)
    stream = stream_of([1, 1], [1, 1], [0, 0], [0, 0], [0, 0])
    credit = 2 * 20
    return Run(c, windowed_chain(c), stream, {
        "cycles": 322,
        "token_start": [0, 88],
        "token_done": [144, 282],
        "stage_done": [[45, 133], [119, 257]],
        "packets": {
            (1, 0, 0, 1): (46, 66, 71, 71, 107 + 6),
            (4, 0, 0, 0): (121, 160, 164, 164, 184),
            (1, 1, 0, 1): (134, 204, 209, 209, 251),
            (3, 1, 0, 2): (135, 224, 226, 226, 226),
        },
        "output_blocked": [50, 0],
        "core_active": [83 + 44 + 60 + 20, 2 * 89],
        "item_ops": {3: {
            "npe.mld": 2, "npe.evc": 2, "ctrl.instruction": 2 * 6 + 2 * 20 + 2 * credit,
            "evg.event": 2, "dm.write_word": 4, "dm.read_word": 4, "noc.flit_hop": 2 * (2 * 2 + 1),
        }},
    }, "pipelined")  # fmt: skip


@scenario("S14", "S15")
def window_tokens_without_a_window() -> Run:
    """Two tokens in flight are no error with `window` 2, though no route is windowed.

    1 flit each: there in 2 and 3. Taken .. 22 + 6 = 28, .. 54; stage of 204 cycles, 28 .. 232 ..
    436.
    """
    c = chip()
    return Run(c, stored(c, 0, 100), stream_of([0, 0], [0, 0]), {
        "token_start": [0, 0],
        "stage_done": [[232, 436]],
        "packets": {(0, 1, 0, 0): (0, 0, 3, 28, 54)},
    }, "pipelined")  # fmt: skip


@scenario("S14")
def too_many_tokens_are_refused() -> Run:
    """As `window_tokens_without_a_window`, one more.

    The controller would begin to take it in 54, and token 0 is there until 232.
    """
    c = chip()
    stream = stream_of([0] * 3, [0] * 3)
    return Run(c, stored(c, 0, 100), stream, {"error": ("InputError", "token 2")}, "pipelined")
