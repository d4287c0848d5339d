"""The accelerated path on an emulated processor, for machines whose own has no AVX-512 IFMA.

``make test-emulated`` builds a small Linux image of this environment (Python, the protocols, the packages of the
extra ``[fast]``), starts it on Bochs as an Ice Lake, which has AVX-512 with IFMA and VBMI2, and runs there
``inside.py``: the tests of engine x25519, none of them skipped, and a count of instructions on both paths. Results are
those of the real library's real code; times are not: the clock counts instructions.

Expected are Debian's packages busybox-static, isolinux, syslinux-common and xorriso, Debian's kernel, which ``apt-get
download`` brings, and a Bochs without its debugger and newer than 2.7: on that one the library computes wrongly, so the
path does not prove itself and is not chosen. ``BOCHS`` names the program and ``BXSHARE`` the folder of its ROMs where
they are not in the usual places. ``make test`` does without all this.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTIONS_A_SECOND = 50_000_000
"""Of the emulated clock: about what Bochs does, so that the guest's timeouts are near their meaning."""
PACKAGES = (
    "numpy", "numpy.libs", "cryptography", "cffi", "gmpy2", "gmpy2.libs", "rfc8785", "hypothesis", "_hypothesis*",
    "sortedcontainers",
    "pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments", "attr", "attrs",
)  # fmt: skip
LIBRARIES = ("libcrypto_mb.so.13", "libintlc.so.5", "libimf.so", "libirng.so", "libsvml.so")
# Features that Linux 6.1 and Bochs do not agree about: PKU, OSPKE (515, 516) and the compact forms of saved state (321,
# 323), without which the kernel keeps AVX-512, in the standard form; APERF (124); short string moves (580), since Linux
# clears the longer ones alone.
ARGUMENTS = (
    "console=ttyS0 quiet nokaslr nopti mitigations=off tsc=reliable "
    "lpj=1000000 random.trust_cpu=on panic=1 nosmp noapic clearcpuid=515,516,321,323,124,580"
)
BOCHS = """\
display_library: nogui
memory: guest=1536, host=1536
romimage: file={share}/BIOS-bochs-latest
vgaromimage: file={share}/VGABIOS-lgpl-latest
cpu: model=corei7_icelake_u, count=1, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=image.iso, status=inserted
boot: cdrom
log: bochs.log
clock: sync=none, time0=utc
com1: enabled=1, mode=file, dev=console.txt
panic: action=fatal
error: action=ignore
info: action=ignore
"""
INIT = """\
#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
export HOME=/tmp PYTHONPATH=/app OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
cd /app && {python} tests/emulated/inside.py > /dev/ttyS0 2>&1
echo "ENDED $?" > /dev/ttyS0
/bin/busybox sleep 1
/bin/busybox poweroff -f
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="shulab-emulated-") as name:
        folder = Path(name)
        image(folder)
        print("emulated: starting; some five minutes", flush=True)
        console, status = run(folder)
    print(console)
    return status


def image(folder: Path) -> None:
    """``image.iso``: the boot loader, Debian's kernel, and this environment as its first file system."""
    root, disc = folder / "root", folder / "disc"
    for place in ("bin", "dev", "proc", "tmp", "app"):
        (root / place).mkdir(parents=True)
    shutil.copy2("/bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    environment(root)
    for package in ("protocols", "tests/emulated", "tests/unit/protocols/matching/engines/test_x25519.py"):
        put(root, ROOT / package, Path("/app") / package)
    init = root / "init"
    init.write_text(INIT.format(python=Path(sys.prefix) / "bin/python"))
    init.chmod(0o755)

    (disc / "isolinux").mkdir(parents=True)
    shutil.copy2("/usr/lib/ISOLINUX/isolinux.bin", disc / "isolinux")
    shutil.copy2("/usr/lib/syslinux/modules/bios/ldlinux.c32", disc / "isolinux")
    (disc / "isolinux/isolinux.cfg").write_text(
        f"DEFAULT a\nPROMPT 0\nLABEL a\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND {ARGUMENTS}\n"
    )
    shutil.copy2(kernel(folder), disc / "vmlinuz")
    subprocess.run(f"find . | /bin/busybox cpio -o -H newc > {disc}/initrd", shell=True, cwd=root, check=True)
    boot = "-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table"
    subprocess.run(f"xorriso -as mkisofs -quiet -o {folder}/image.iso {boot} {disc}", shell=True, check=True)


def environment(root: Path) -> None:
    """Python, the packages wanted and the libraries they link to, each where it lies here."""
    base, version = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    put(root, base / "bin" / version)
    put(root, base / "lib" / version, leave=("site-packages", "test", "idlelib", "tkinter", "ensurepip", "config-*"))
    here = Path(sys.prefix)
    put(root, here / "pyvenv.cfg")
    (root / here.relative_to("/") / "bin").mkdir(parents=True)
    (root / here.relative_to("/") / "bin/python").symlink_to(base / "bin" / version)
    packages = here / "lib" / version / "site-packages"
    for pattern in (*PACKAGES, "*.dist-info", "_cffi_backend*"):
        for path in packages.glob(pattern):
            put(root, path, leave=("tests",))
    for library in LIBRARIES:
        put(root, here / "lib" / library)
    for binary in [base / "bin" / version, *root.rglob("*.so*")]:
        told = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/[^ ]+) \(0x", told):
            if not (root / library.lstrip("/")).exists():
                put(root, Path(os.path.realpath(library)), Path(library))


def put(root: Path, source: Path, target: Path | None = None, *, leave: tuple[str, ...] = ()) -> None:
    """Copy a file or a folder into the image, to where it lies here or to ``target``."""
    place = root / str(target or source).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        left = shutil.ignore_patterns("__pycache__", "*.a", "*.pyi", *leave)
        shutil.copytree(source, place, dirs_exist_ok=True, ignore=left)
    else:
        shutil.copy2(source, place)


def kernel(folder: Path) -> Path:
    """Debian's kernel for virtual machines, which has everything wanted built in."""
    told = subprocess.run(
        ["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True
    )
    name = re.findall(r"linux-image-\d\S*", told.stdout)[0]
    subprocess.run(["apt-get", "download", "-qq", name], cwd=folder, check=True)
    (package,) = folder.glob("linux-image-*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "kernel"], check=True)
    (found,) = (folder / "kernel/boot").glob("vmlinuz-*")
    return found


def run(folder: Path) -> tuple[str, int]:
    """What the image wrote, and 0 if its tests passed."""
    share = os.environ.get("BXSHARE", "/usr/share/bochs")
    (folder / "bochsrc").write_text(BOCHS.format(ips=INSTRUCTIONS_A_SECOND, share=share))
    program = os.environ.get("BOCHS", "bochs")
    told = ""
    with subprocess.Popen([program, "-q", "-f", "bochsrc"], cwd=folder, stdout=subprocess.DEVNULL) as emulator:
        console = folder / "console.txt"
        deadline = time.monotonic() + 3600
        while emulator.poll() is None and time.monotonic() < deadline:
            time.sleep(2)
            told = console.read_text(errors="replace") if console.exists() else ""
            if "ENDED" in told:
                break
        emulator.kill()
    return told, 0 if "ENDED 0" in told else 1


if __name__ == "__main__":
    sys.exit(main())
