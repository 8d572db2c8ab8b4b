"""The command line: train a model, measure it as it ships, write its files.

argparse, not click as elsewhere: it runs where none of this package's dependencies are installed.
"""

import argparse
import json
import platform
import shlex
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seneca_sim.errors import SenecaError
from workloads.training.card import card
from workloads.training.data import Text, read_text
from workloads.training.evaluate import held_out, score
from workloads.training.export import (
    MODEL_FILE,
    opt_config,
    rounded,
    write_curve,
    write_json,
    write_weights,
)
from workloads.training.run import Trained, build, score_batch, train
from workloads.training.settings import MODELS, Settings
from workloads.training.state import CURVE

REPORTED_WINDOWS = (512, 1024)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    argv = sys.argv[1:] if arguments is None else arguments
    args = _parser().parse_args(argv)
    try:
        report = _run(args, "python -m workloads.training " + shlex.join(argv))
    except SenecaError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(report, indent=2) if args.json else _summary(report))
    return 0


def _run(args: argparse.Namespace, command: str) -> dict[str, Any]:
    torch.set_num_threads(args.threads or torch.get_num_threads())
    values = {f.name: getattr(args, f.name) for f in fields(Settings)}
    if values["valid_window"] is None:
        values["valid_window"] = min(1024, args.window) if args.model == "opt" else 1024
    settings = Settings(**values)
    text, valid = read_text(args.text), read_text(args.valid)
    trained = train(settings, text, valid, args.out, resume=args.resume, say=_say)
    weights = rounded(trained.weights)
    write_weights(args.out / MODEL_FILE, weights, settings)
    write_curve(args.out / "loss.csv", trained.progress.curve)
    if settings.model == "opt":
        write_json(args.out / "config.json", opt_config(settings.opt_shape))
    report = _report(settings, trained, text, valid, command) | {
        "licence": args.licence,
        "weights_licence": args.weights_licence,
        "held_out": _scores(settings, weights, valid),
    }
    write_json(args.out / "run.json", report)
    (args.out / "card.md").write_text(card(report), encoding="utf-8")
    return report


def _report(
    settings: Settings, trained: Trained, text: Text, valid: Text, command: str
) -> dict[str, Any]:
    p = trained.progress
    return {
        "format": "seneca-training-report/1",
        "command": command,
        "settings": settings.to_dict(),
        "parameters": trained.parameters,
        "bytes_bf16": 2 * trained.parameters,
        "steps": p.step,
        "planned_steps": p.total,
        "stopped": trained.stopped,
        "best_step": p.best_step,
        "best_peeked_bits": p.best_bits,
        "seconds": round(p.seconds, 1),
        "device": _device(settings.device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "train_text": {"file": Path(text.path).name, "bytes": text.bytes, "sha256": text.sha256},
        "valid_text": {"file": Path(valid.path).name, "bytes": valid.bytes, "sha256": valid.sha256},
        "curve": [dict(zip(CURVE, row, strict=True)) for row in p.curve],
    }


def _scores(
    settings: Settings, weights: dict[str, Tensor], valid: Text
) -> list[dict[str, float | int]]:
    """Bits per byte of the weights as they ship, in windows of several lengths."""
    model = build(settings)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    model.to(settings.device)
    tokens = valid.tokens.to(settings.device)
    out: list[dict[str, float | int]] = []
    for window in sorted({*REPORTED_WINDOWS, settings.valid_window}):
        if settings.model == "opt" and window > settings.window:
            continue
        parts = held_out(tokens, window)
        peeked = score(model, parts.peeked, score_batch(window))
        unseen = score(model, parts.unseen, score_batch(window))
        whole = peeked + unseen
        out.append({"window": window, "predicted": whole.predicted, "bits": whole.bits})
        if window == settings.valid_window and unseen.predicted:
            out[-1] |= {"peeked_bits": peeked.bits, "unseen_bits": unseen.bits}
    return out


def _device(device: str) -> str:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device}, {torch.get_num_threads()} threads"


def _summary(report: dict[str, Any]) -> str:
    lines = [
        f"{report['parameters']:,} parameters, best at step {report['best_step']} of "
        f"{report['steps']} ({report['stopped']}), {report['seconds']:.0f} s"
    ]
    lines += [
        f"held-out, windows of {s['window']}: {s['bits']:.4f} bits per byte"
        + (f" (not looked at before: {s['unseen_bits']:.4f})" if "unseen_bits" in s else "")
        for s in report["held_out"]
    ]
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workloads.training",
        description="Train a small language model over bytes from a text.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, d = parser.add_argument, Settings(steps=1)
    add("model", choices=MODELS, help="what to train")
    add("--text", type=Path, required=True, help="text to learn, plain or .xz")
    add("--valid", type=Path, required=True, help="held-out text, plain or .xz")
    add("--out", type=Path, required=True, help="folder for everything that the run writes")
    add("--layers", type=int, default=d.layers, help="blocks")
    add("--width", type=int, default=d.width, help="channels; the perceptron has 4 times as many")
    add("--heads", type=int, default=d.heads, help="attention heads (opt)")
    add("--window", type=int, default=d.window, help="bytes per training window")
    add("--batch", type=int, default=d.batch, help="windows per step")
    add("--steps", type=int, default=None, help="budget; without it, what fits into --minutes")
    add("--minutes", type=float, default=None, help="limit of wall-clock time")
    add("--lr", type=float, default=d.lr, help="peak learning rate")
    add("--warmup", type=int, default=d.warmup, help="steps up to the peak")
    add("--final-lr", type=float, default=d.final_lr, help="share of the peak left at the end")
    add("--weight-decay", type=float, default=d.weight_decay, help="of matrices")
    add("--dropout", type=float, default=d.dropout, help="on paths into the residual stream")
    add("--clip", type=float, default=d.clip, help="largest norm of the gradient")
    add("--ema", type=float, default=d.ema, help="decay of the average of the weights, 0: none")
    add("--look-every", type=int, default=d.look_every, help="steps between held-out looks")
    add("--patience", type=int, default=d.patience, help="looks without a better one to stop at")
    add("--valid-window", type=int, default=None, help="bytes per held-out window (1024)")
    add("--seed", type=int, default=d.seed, help="of everything that is drawn")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu")
    add("--compile", action="store_true", help="fuse the blocks with torch.compile")
    add("--threads", type=int, default=0, help="of the CPU, 0: as torch likes")
    add("--licence", default="not stated", help="of the text, for the card")
    add("--weights-licence", default="not stated", help="of the weights, for the card")
    add("--resume", action="store_true", help="go on with the run in --out")
    add("--json", action="store_true", help="print the report as JSON")
    return parser
