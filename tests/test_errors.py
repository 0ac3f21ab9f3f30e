import importlib.metadata

import pytest

import retimbre
from retimbre import errors
from retimbre.errors import DependencyError, RetimbreError

CLASSES: list[type[Exception]] = [cls for cls in vars(errors).values() if isinstance(cls, type)]
TREE = [cls for cls in CLASSES if issubclass(cls, RetimbreError) and cls is not RetimbreError]


def test_the_tree_is_the_one_that_its_picture_shows() -> None:
    assert errors.__doc__ is not None
    drawn = {line.split()[1] for line in errors.__doc__.splitlines() if line.strip().startswith(("├", "└"))}
    assert drawn == {cls.__name__ for cls in TREE}
    assert all(cls.__bases__[0] is RetimbreError for cls in TREE)


def test_one_except_clause_catches_them_all_and_no_others() -> None:
    assert RetimbreError.__bases__ == (Exception,)
    assert [cls.__name__ for cls in TREE if issubclass(cls, ValueError)] == ["InputError"]
    assert not any(issubclass(cls, OSError | KeyboardInterrupt) for cls in TREE)


def test_every_error_is_public() -> None:
    assert retimbre.RetimbreError is RetimbreError
    for cls in TREE:
        assert getattr(retimbre, cls.__name__) is cls
        assert cls.__name__ in dir(retimbre)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'retimbre' has no attribute 'nothing'"):
        _ = retimbre.nothing


@pytest.mark.parametrize(
    ("package", "extra"), [("av", "av"), ("matplotlib", "report"), ("onnxruntime", "measure")]
)
def test_a_dependency_error_says_what_to_install(package: str, extra: str) -> None:
    error = DependencyError(package, extra=extra)
    assert (error.package, error.extra) == (package, extra)
    assert repr(package) in str(error)
    assert f"pip install 'retimbre[{extra}]'" in str(error)
    assert len(str(error).splitlines()) == 1
    assert extra in (importlib.metadata.metadata("retimbre").get_all("Provides-Extra") or [])
