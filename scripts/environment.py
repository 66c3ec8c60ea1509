"""Make the virtual environment of scripts/requirements-NAME.txt, and print its interpreter.

    python3 scripts/environment.py NAME

An environment is made once for each content of its requirements, below $TABAGENT_VENVS (default: target/tests/venvs). It
is complete when its marker is there; one that was broken off is made again. Several callers wait for the first.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Lock:
    """A lock between processes that the operating system releases when its holder dies."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __enter__(self):
        self.file = open(self.path, "a+b")
        if os.name == "nt":
            import msvcrt

            self.file.seek(0)
            while True:
                try:
                    msvcrt.locking(self.file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # It gives up after ten seconds; the holder installs for longer than that.
                    continue
        else:
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.file.close()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    name = sys.argv[1]
    requirements = ROOT / "scripts" / f"requirements-{name}.txt"
    if not requirements.is_file():
        sys.exit(f"there is no {requirements}")
    identity = requirements.read_bytes() + sys.version.encode() + sys.prefix.encode()
    digest = hashlib.sha256(identity).hexdigest()[:12]
    venvs = pathlib.Path(os.environ.get("TABAGENT_VENVS") or ROOT / "target" / "tests" / "venvs")
    venvs.mkdir(parents=True, exist_ok=True)
    folder = venvs / f"{name}-{digest}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    marker = folder / ".complete"
    with Lock(venvs / f"{name}-{digest}.lock"):
        if not marker.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True, symlinks=os.name != "nt")
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "30"]
            done = subprocess.run([*pip, "-r", requirements], stdout=sys.stderr)
            if done.returncode != 0:
                sys.exit(f"pip could not install {requirements}; it needs a package index that it can reach")
            marker.touch()
    print(python)


main()
