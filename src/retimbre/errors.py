"""Errors, as one tree.

::

    RetimbreError
    ├── InputError (also a ValueError)   an argument or a clip that cannot be used
    ├── AudioReadError                   a file that is missing, damaged or not audio
    ├── WeightsError                     trained weights that are missing or not what they claim
    ├── DependencyError                  an optional package is not installed; names the extra
    └── DivergedError                    the loss was no number from the start: nothing to keep

Every message is one line and says what was given, what was expected and what to do. The command
line prints it as it is and ends with exit code 2.
"""


class RetimbreError(Exception):
    """Base of every error that retimbre raises on purpose."""


class InputError(RetimbreError, ValueError):
    """An argument, a setting or a clip that cannot be used."""


class AudioReadError(RetimbreError):
    """A file that cannot be read as sound, or a place that cannot be written to."""


class WeightsError(RetimbreError):
    """Trained weights that are missing, damaged or of the wrong shape."""


class DependencyError(RetimbreError):
    """An optional package is missing.

    Args:
        package: Name of the package that could not be imported.
        extra: The extra of retimbre that brings it.
        then: A second command, where the extra alone does not bring it.

    >>> print(DependencyError("av", extra="av"))
    this needs the package 'av', which is not installed: pip install 'retimbre[av]'
    """

    def __init__(self, package: str, *, extra: str, then: str | None = None) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"this needs the package {package!r}, which is not installed: pip install 'retimbre[{extra}]'"
            + (f" && {then}" if then else "")
        )


class DivergedError(RetimbreError):
    """The loss was NaN or infinite from the start, so that there is nothing to keep.

    A run that diverges later returns its result, with the best before that.
    """
