"""The optional compiled half of the data plane; everything else is in setup.cfg.

``TINCD_COMPAT_EXTENSION`` in the environment decides what a failing compiler means:
``yes`` an error, ``no`` that it is not even asked, ``auto`` (the default) nothing but
speed: the package is complete without it.  What comes of that decides the name of a
wheel: one without compiled code is for every system.
"""

import contextlib
import glob
import os
import shutil
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

WISH = os.environ.get("TINCD_COMPAT_EXTENSION", "auto")
SOURCES = "tincd_compat/_fast"

# Nothing but the module is there for other libraries to call or to take the place of,
# an overrun of the stack ends the process, and no table of functions can be written to.
HARDENING = ["-fvisibility=hidden", "-fstack-protector-strong"]
LINKING = ["-Wl,-z,relro,-z,now"]
# Sanitizers look at the same calls more closely, if nobody takes them away.
if "-fsanitize" not in os.environ.get("CFLAGS", ""):
    HARDENING += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]


# Of OpenSSL; what an older one lacks at run time the compiled half finds out by itself.
LEAST = "3.0"


def libcrypto(what: str) -> list[str]:
    """Return what pkg-config says of libcrypto: compiler or linker options, say."""
    if shutil.which("pkg-config"):
        command = ["pkg-config", what, "libcrypto"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split()
    return ["-lcrypto"] if what == "--libs" else []


def is_too_old() -> bool:
    """Tell whether there is an OpenSSL that the compiled half cannot be built with."""
    major = "".join(libcrypto("--modversion")).partition(".")[0]
    return major.isdigit() and int(major) < int(LEAST.partition(".")[0])


class Build(build_ext):
    """The build of the compiled half, which may come to nothing."""

    def run(self) -> None:
        try:
            super().run()
        except (CCompilerError, BaseError) as error:
            if WISH == "yes":
                raise
            print(f"Without compiled half: {error}", file=sys.stderr)
            self.leave_out()

    def leave_out(self) -> None:
        """Let there be no compiled half, neither a new one nor that of another day.

        A wheel takes its name only now, when all is built, but has asked before what
        will be built.
        """
        for extension in self.extensions:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.get_ext_fullpath(extension.name))
        self.extensions = []
        self.distribution.ext_modules = None
        wheel = self.distribution.get_command_obj("bdist_wheel", create=False)
        if wheel is not None:
            wheel.root_is_pure = True


if WISH not in ("yes", "no", "auto"):
    raise SystemExit("TINCD_COMPAT_EXTENSION must be yes, no or auto")

if WISH != "no" and is_too_old():
    line = f"the compiled half takes OpenSSL {LEAST} or later"
    if WISH == "yes":
        raise SystemExit(line)
    print(f"Without compiled half: {line}", file=sys.stderr)
    WISH = "no"

core = Extension(
    "tincd_compat._fast._core",
    sorted(glob.glob(f"{SOURCES}/*.c")),
    depends=sorted(glob.glob(f"{SOURCES}/*.h")),
    extra_compile_args=[
        *("-std=gnu11", "-O3", "-Wall"),
        *HARDENING,
        *libcrypto("--cflags"),
    ],
    extra_link_args=[*LINKING, *libcrypto("--libs")],
    py_limited_api=True,
)

if WISH == "no":
    setup()
else:
    setup(
        cmdclass={"build_ext": Build},
        ext_modules=[core],
        options={"bdist_wheel": {"py_limited_api": "cp311"}},
    )
