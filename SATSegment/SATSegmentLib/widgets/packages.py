"""The Python packages that the worker needs: which are missing, and how they are installed."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import InputError, SATError
from ..resources import resource

TORCH = ">=2.5"  # installed through the PyTorch extension
_LOG_LINES = 60
_PAINT_MS = 50  # to show what is said before an installer holds up Slicer
_STEP = re.compile(r"\s*(Collecting|Downloading|Installing collected packages:)\s+(.+)")
_NAME = re.compile(r"[\w.-]*\w")


def requirements() -> list[str]:
    """The packages that the worker needs besides torch, as pip writes them."""
    return read_requirements(resource("requirements.txt"))


def read_requirements(path: Path) -> list[str]:
    """The packages that a file lists, as pip writes them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def missing_packages(lines: list[str] | None = None) -> list[str]:
    """Names of those of torch and other packages (`requirements` unless given) that are not installed, or too old.

    Nothing is imported.
    """
    wanted = (f"torch{TORCH}", *(requirements() if lines is None else lines))
    return [_name(line) for line in wanted if not _installed(line)]


def _name(line: str) -> str:
    return _NAME.match(line)[0]


def _installed(line: str) -> bool:
    from packaging.requirements import Requirement

    wanted = Requirement(line)
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    # an installation that was broken off leaves a package without a version
    return bool(version) and wanted.specifier.contains(version, prereleases=True)


def install_torch() -> None:
    """Installs PyTorch, for the GPU where there is one, by the PyTorch extension.

    Raises:
        InputError: The extension is not installed.
        SATError: It failed.
    """
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise InputError(
            _("Install the extension PyTorch in the Extensions Manager and restart Slicer; then install here again.")
        ) from None
    try:
        PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=TORCH)
    except (RuntimeError, ValueError, OSError, ImportError, subprocess.CalledProcessError) as error:
        raise SATError(
            _("PyTorch could not be installed ({error}); look at it in the module PyTorch Utils.").format(error=error)
        ) from error


class Installation:
    """Installs what is missing, one package manager after the other, without holding up Slicer where that can be.

    Slicer goes on while pip works, from its version 5.11 on. The PyTorch extension and older versions of Slicer let it
    answer only when their installer prints something; this is said.

    Args:
        told: Called with words on what is being done.
        ended: Called at the end with the error, or None; the error's `details` are the end of pip's log.
        lines: The packages that may be missing besides torch; `requirements` unless given.
    """

    def __init__(
        self,
        told: Callable[[str], None],
        ended: Callable[[SATError | None], None],
        lines: list[str] | None = None,
    ) -> None:
        self._told, self._ended = told, ended
        self._wanted = requirements() if lines is None else lines
        self._running = False
        self._lines: list[str] = []
        self._log: deque[str] = deque(maxlen=_LOG_LINES)

    def start(self, missing: list[str]) -> None:
        """Begins; `missing` are names as of `missing_packages`."""
        self._running = True
        self._lines = [line for line in self._wanted if _name(line) in missing]
        if "torch" in missing:
            self._told(
                _("Installing PyTorch by its extension: up to 2 GB, some minutes. Slicer may not answer meanwhile.")
            )
            qt.QTimer.singleShot(_PAINT_MS, lambda: self._step(self._install_torch))
        else:
            self._step(self._install_rest)

    def detach(self) -> None:
        """Nobody is told any more; what pip does goes on."""
        self._told, self._ended = (lambda _text: None), (lambda _error: None)

    def _step(self, step: Callable[[], None]) -> None:
        try:
            step()
        except SATError as error:
            self._end(error)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:  # of Slicer's installers
            self._end(self._failure(str(error)))

    def _install_torch(self) -> None:
        install_torch()
        self._install_rest()

    def _install_rest(self) -> None:
        if not self._lines:
            self._end(None)
            return
        self._told(_("Installing {names} …").format(names=", ".join(_name(line) for line in self._lines)))
        try:
            from slicer import packaging
        except ImportError:  # before Slicer 5.11
            qt.QTimer.singleShot(_PAINT_MS, lambda: self._step(self._install_rest_waiting))
            return
        packaging.pip_install(
            self._lines,
            blocking=False,
            show_progress=False,
            requester="SATSegment",
            logCallback=self._logged,
            completedCallback=self._completed,
        )
        if self._running and not packaging.isPipInstallInProgress():
            self._completed(0)  # Slicer waits for pip when it is tested, and then calls nobody

    def _install_rest_waiting(self) -> None:
        slicer.util.pip_install(" ".join(f'"{line}"' for line in self._lines))
        self._completed(0)

    def _logged(self, line: str) -> None:
        print(line)  # as Slicer does: it is in its Python console
        self._log.append(line)
        step = _STEP.match(line)
        if step is None:
            return
        what = step[2] if step[1].startswith("Installing") else (_NAME.match(step[2]) or step)[0]
        self._told(
            {
                "Collecting": _("Looking for {name} …"),
                "Downloading": _("Downloading {name} …"),
                "Installing collected packages:": _("Installing {name} …"),
            }[step[1]].format(name=what)
        )

    def _completed(self, code: int) -> None:
        self._end(None if code == 0 else self._failure(_("pip ended with code {code}").format(code=code)))

    def _failure(self, reason: str) -> SATError:
        error = SATError(
            _("The packages could not be installed ({reason}). Check the network connection and try again.").format(
                reason=reason
            )
        )
        error.details = "\n".join(self._log)
        return error

    def _end(self, error: SATError | None) -> None:
        if self._running:
            self._running = False
            self._ended(error)
