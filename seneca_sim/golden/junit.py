"""A check as JUnit XML: one test case for every variant of every golden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

from seneca_sim.golden.check import Outcome, VariantOutcome
from seneca_sim.golden.text import outcome_lines
from seneca_sim.report.compare import cause_text, headline


def junit_of(outcomes: Sequence[Outcome]) -> str:
    """The XML text."""
    suite = ElementTree.Element("testsuite", name="seneca-sim golden check")
    for outcome in outcomes:
        _cases(suite, outcome)
    kinds = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error",
             "skipped": "testcase/skipped"}  # fmt: skip
    for name, path in kinds.items():
        suite.set(name, str(len(suite.findall(path))))
    suite.set("time", f"{sum(outcome.seconds for outcome in outcomes):.3f}")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root, " ")
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _cases(suite: ElementTree.Element, outcome: Outcome) -> None:
    if outcome.error is not None or outcome.skipped:
        case = _case(suite, outcome, outcome.name)
        kind, message = ("skipped", outcome.skipped)
        if outcome.error is not None:
            kind, message = "error", str(outcome.error)
        ElementTree.SubElement(case, kind, message=message)
        return
    for variant in outcome.variants:
        case = _case(suite, outcome, variant.label)
        if variant.breaches:
            failure = ElementTree.SubElement(case, "failure", message=_message(variant))
            failure.text = "\n".join(outcome_lines(replace(outcome, variants=(variant,))))


def _case(suite: ElementTree.Element, outcome: Outcome, name: str) -> ElementTree.Element:
    share = outcome.seconds / max(1, len(outcome.variants))
    return ElementTree.SubElement(
        suite, "testcase", classname=outcome.file, name=name, time=f"{share:.3f}"
    )


def _message(variant: VariantOutcome) -> str:
    why = "; ".join(cause_text(cause, variant.old, variant.new) for cause in variant.causes[:3])
    return f"{headline(variant.old, variant.new)}: {why}"
