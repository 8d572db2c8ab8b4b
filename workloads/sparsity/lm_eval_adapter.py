"""Models with thresholds for `lm-eval` (EleutherAI's harness), where that is installed.

    from lm_eval import simple_evaluate
    simple_evaluate(SenecaLM(model, recipe.thresholds), tasks=["piqa"])

The harness brings its tasks and fetches their data; here is only the model's side.
"""

from collections.abc import Mapping
from typing import Any

from seneca_sim.errors import InputError
from workloads.models.sited import AnyModel, sited
from workloads.sparsity.thresholds import check_thresholds, threshold_tap
from workloads.sparsity.zeroshot import ByteText, Text, answer_tokens

try:
    from lm_eval.api.model import TemplateLM
except ImportError as error:
    raise InputError(
        f"the lm-eval adapter needs lm-eval ({error}): pip install 'seneca-sim[lm-eval]'"
    ) from error


class SenecaLM(TemplateLM):  # type: ignore[misc]
    """A model with sites as the harness sees it; it scores, and does not generate.

    Args:
        model: the model.
        thresholds: T by full name of the site.
        text: how the model reads text; None for bytes.

    Raises:
        InputError: unknown sites.
    """

    def __init__(
        self,
        model: AnyModel,
        thresholds: Mapping[str, float] | None = None,
        text: Text | None = None,
    ) -> None:
        super().__init__()
        self._model = sited(model)
        check_thresholds(thresholds or {}, [site.name for site in self._model.sites])
        self._tap = threshold_tap(thresholds or {})
        self._text = text or ByteText()

    @property
    def eot_token_id(self) -> int:
        """The token behind which a text without context begins."""
        return self._text.begin

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_kwargs: Any
    ) -> list[int]:
        """Text to tokens."""
        return self._text.encode(string)

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **_kwargs: Any
    ) -> list[tuple[float, bool]]:
        sequences = [[*context, *more] for _, context, more in requests]
        scored = [len(more) for _, _, more in requests]
        answers = answer_tokens(self._model, sequences, scored, tap=self._tap)
        return [(each.logprob, each.greedy) for each in answers]

    def loglikelihood_rolling(self, requests: list[Any], **_kwargs: Any) -> list[float]:
        """Log-likelihood of whole texts, each behind the first token, window by window."""
        out = []
        for request in requests:
            tokens = [self._text.begin, *self._text.encode(request.args[0])]
            most = self._model.positions or len(tokens)
            pieces = [tokens[i : i + most + 1] for i in range(0, len(tokens) - 1, most)]
            answers = answer_tokens(
                self._model, pieces, [len(piece) - 1 for piece in pieces], tap=self._tap
            )
            out.append(sum(each.logprob for each in answers))
        return out

    def generate_until(self, requests: list[Any], **_kwargs: Any) -> list[str]:
        """Not offered.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{len(requests)} requests to generate text: this adapter scores log-likelihoods "
            "only; choose multiple-choice, last-word or perplexity tasks"
        )
