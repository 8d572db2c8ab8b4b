import pickle

import pytest

from seneca_sim import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.Finding, 1),
        (errors.DeadlockError, 1),
        (errors.InputError, 2),
        (errors.CapacityError, 2),
        (errors.InternalError, 3),
    ],
)
def test_each_error_has_its_exit_code(kind: type[errors.SenecaError], code: int) -> None:
    assert issubclass(kind, errors.SenecaError)
    assert kind("x").exit_code == code


def test_capacity_is_an_input_error_and_deadlock_a_finding() -> None:
    assert issubclass(errors.CapacityError, errors.InputError)
    assert issubclass(errors.DeadlockError, errors.Finding)


def test_the_field_survives_pickling_between_processes() -> None:
    error = pickle.loads(pickle.dumps(errors.InputError("no", field="core.npes")))
    assert (str(error), error.field) == ("no", "core.npes")
    assert errors.CapacityError("full").field is None
