"""The card of a model, made from the report of its run: what, from what, how, how good."""

import shlex
from typing import Any

CURVE_ROWS = 12

_NAMES = {"rwkv4": "RWKV-4", "opt": "OPT-style transformer"}


def card(report: dict[str, Any]) -> str:
    """Markdown from the report that ``run.json`` holds."""
    s = report["settings"]
    title = f"# {s['model']}-byte-{s['layers']}x{s['width']}"
    parts = (title, _what(report), _data(report), _how(report), _figures(report), _curve(report))
    return "\n\n".join(parts) + "\n"


def _what(report: dict[str, Any]) -> str:
    s = report["settings"]
    heads = f", {s['heads']} heads, {s['window']} positions" if s["model"] == "opt" else ""
    return (
        f"{_NAMES[s['model']]} with one token per byte: vocabulary 256, {s['layers']} blocks, "
        f"D {s['width']}, FFN {4 * s['width']}{heads}, {report['parameters']:,} parameters, BF16."
    )


def _data(report: dict[str, Any]) -> str:
    train, valid = report["train_text"], report["valid_text"]
    return (
        "## Data\n\n"
        "| text | bytes | SHA-256 |\n|---|---|---|\n"
        f"| training, `{train['file']}` | {train['bytes']:,} | `{train['sha256']}` |\n"
        f"| held out, `{valid['file']}` | {valid['bytes']:,} | `{valid['sha256']}` |\n\n"
        f"Licence of the text: {report['licence']}. "
        f"Licence of the weights: {report['weights_licence']}."
    )


def _how(report: dict[str, Any]) -> str:
    s = report["settings"]
    passes = report["best_step"] * s["window"] * s["batch"] / report["train_text"]["bytes"]
    average = f"average of the weights with decay {s['ema']:g}" if s["ema"] else "no average"
    return (
        "## How it was made\n\n"
        f"```\n{_anywhere(report['command'])}\n```\n\n"
        f"From nothing, {report['steps']:,} steps of {s['batch']} windows of {s['window']} bytes "
        f"in {report['seconds']:.0f} s on {report['device']} (PyTorch {report['torch']}, "
        f"{report['date']}); {report['stopped']}. Kept: step {report['best_step']:,}, after "
        f"{passes:.1f} passes over the text. AdamW (0.9, 0.99), weight decay "
        f"{s['weight_decay']:g} on matrices, dropout {s['dropout']:g}, clip {s['clip']:g}, peak "
        f"learning rate {s['lr']:g} with {s['warmup']} warm-up steps and a cosine down to "
        f"{100 * s['final_lr']:g} %, {average}, seed {s['seed']}."
    )


def _figures(report: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {x['window']} | {x['predicted']:,} | {x['bits']:.4f} | {_optional(x, 'peeked_bits')} "
        f"| {_optional(x, 'unseen_bits')} |"
        for x in report["held_out"]
    )
    return (
        "## How good it is\n\n"
        "Bits per byte over the held-out text, weights rounded to BF16, arithmetic in fp32, each "
        "window from the zero state. Every third window was looked at while training, to choose "
        "the step that is kept; the others were measured once, at the end.\n\n"
        "| window | bytes predicted | whole text | looked at | not looked at |\n"
        f"|---|---|---|---|---|\n{rows}"
    )


def _curve(report: dict[str, Any]) -> str:
    curve = report["curve"]
    every = max(1, -(-len(curve) // CURVE_ROWS))
    best = report["best_step"]
    shown = [r for i, r in enumerate(curve, 1) if i % every == 0 or r["step"] == best]
    rows = "\n".join(
        f"| {r['step']:,.0f}{' (kept)' if r['step'] == best else ''} | {r['bytes'] / 1e6:.1f} "
        f"| {r['train_bits']:.4f} | {r['held_out_bits']:.4f} |"
        for r in shown
    )
    return (
        "## Loss curve\n\n"
        "Bits per byte: of the training steps since the row before it in `loss.csv`, with "
        "dropout; of the averaged weights on the windows looked at.\n\n"
        f"| step | MB seen | training | held out |\n|---|---|---|---|\n{rows}"
    )


def _anywhere(command: str) -> str:
    """The command with its output folder, which changes nothing of the result, made general."""
    words = shlex.split(command)
    if "--out" in words[:-1]:
        words[words.index("--out") + 1] = "OUT"
    return shlex.join(words)


def _optional(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.4f}" if name in row else ""
