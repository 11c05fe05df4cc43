"""Makes the images that the project needs, through the SDK: not every engine comes with a `docker`.

`images.py python`  prints the Python image to build on, pulled, or made from Debian's packages
`images.py base`    builds base-api-server:latest on $PYTHON_IMAGE

What happens meanwhile goes to standard error.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from orchestrator.engine.tunnel import TunnelFailedError, engine_here

ROOT = Path(__file__).resolve().parent.parent
OFFICIAL = "python:3.13-slim"
HOME_MADE = "local/python:3-debian"
BASE = "base-api-server:latest"
BASE_FILES = ("Dockerfile.base", "base_server.py", "requirements/base.txt")

PULL_SILENCE = 60  # seconds without a word from the registry
PULL_DEADLINE = 600  # seconds for the whole pull
ENGINE_TIMEOUT = 600  # seconds without a word from the engine, in a build or an import
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def python_image() -> str:
    if wanted := os.environ.get("PYTHON_IMAGE"):
        return wanted
    for name in (OFFICIAL, HOME_MADE):
        if _image_id(name):
            return name
    note(f"pulling {OFFICIAL}")
    failure = _pull(OFFICIAL)
    if failure is None:
        return OFFICIAL
    note(f"no {OFFICIAL} from a registry: {failure}")
    _make_from_debian()
    return HOME_MADE


def base_image() -> str:
    """Builds the base server's image; where nothing has changed, the engine's cache is the answer.

    So the image needs no mark of what it was built from, which every container would inherit as a
    label, and `docker build` and Compose 1.29 end with the very same image.
    """
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name in BASE_FILES:
            tar.add(ROOT / name, arcname=name, filter=_as_docker_packs)
    context.seek(0)
    before = _image_id(BASE)
    try:
        image, _ = _client().images.build(
            fileobj=context,
            custom_context=True,
            dockerfile="Dockerfile.base",
            tag=BASE,
            buildargs={"PYTHON_IMAGE": os.environ.get("PYTHON_IMAGE", OFFICIAL)},
            rm=True,
            use_config_proxy=True,
        )
    except BuildError as error:
        for line in error.build_log:
            sys.stderr.write(line.get("stream", ""))
        sys.exit(f"error: {BASE} could not be built, see above: {error}")
    return "up to date" if image.id == before else "built"


def _as_docker_packs(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the owner, as Docker's own clients do; the build cache compares that, too."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _client() -> docker.DockerClient:
    return docker.from_env(timeout=ENGINE_TIMEOUT)


def _image_id(name: str) -> str | None:
    try:
        return str(_client().images.get(name).id)
    except ImageNotFound:
        return None


def _pull(name: str) -> str | None:
    """Why the image could not be pulled, or None. Never waits for a registry that is silent."""
    deadline = time.monotonic() + PULL_DEADLINE
    repository, tag = name.split(":")
    try:
        api = docker.from_env(timeout=PULL_SILENCE).api
        for line in api.pull(repository, tag=tag, stream=True, decode=True):
            if "error" in line:
                return str(line["error"])
            if time.monotonic() > deadline:
                return f"not finished after {PULL_DEADLINE} s"
    except APIError as error:
        return str(error.explanation)
    except (DockerException, RequestException) as error:
        return str(error)
    return None


def _make_from_debian() -> None:
    """Imports a minimal Debian with python3 as HOME_MADE."""
    advice = (
        f"Load an image {OFFICIAL} into the engine (docker load), or set PYTHON_IMAGE to one that "
        "it has, with python3 3.11 or later and its venv module."
    )
    if os.geteuid() != 0 or not (shutil.which("debootstrap") or shutil.which("apt-get")):
        sys.exit(f"error: no Python image; making one needs root on Debian or Ubuntu. {advice}")
    if not shutil.which("debootstrap"):
        note("installing debootstrap")
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-qq", "-y", "debootstrap", "debian-archive-keyring")
    suite = _debian_suite()
    note(f"making {HOME_MADE} from Debian {suite} with debootstrap (a minute or so)")
    # Not /tmp, which is often small or mounted without devices.
    directory = tempfile.mkdtemp(prefix="python-image-", dir="/var/tmp")
    try:
        _run(
            *("debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates"),
            *(suite, directory),
        )
        if CA_BUNDLE.exists():
            # What this host trusts (a proxy's certificate, perhaps), builds must trust as well.
            shutil.copy(CA_BUNDLE, f"{directory}{CA_BUNDLE}")
        _import(directory)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stdout)
        sys.exit(f"error: {error.cmd[0]} failed, see above. {advice}")
    finally:
        # debootstrap, when killed, leaves /proc of the host mounted in there.
        subprocess.run(["rm", "-rf", "--one-file-system", directory], check=False)


def _debian_suite() -> str:
    """The host's own suite, whose packages are most likely at hand; bookworm has Python 3.11."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    release = dict(line.replace('"', "").split("=", 1) for line in lines if "=" in line)
    recent = release.get("ID") == "debian" and int(release.get("VERSION_ID", "0")) >= 12
    return release["VERSION_CODENAME"] if recent else "bookworm"


def _import(directory: str) -> None:
    useless = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man")
    excluded = [f"--exclude=./{path}/*" for path in (*useless, "usr/share/locale")]
    command = ["tar", "--one-file-system", *excluded, "-C", directory, "-c", "."]
    repository, tag = HOME_MADE.split(":")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        # pip trusts a list of its own unless it is told; the system's is the one copied above.
        answer = _client().api.import_image_from_stream(
            tar.stdout,
            repository=repository,
            tag=tag,
            changes=[
                'CMD ["python3"]',
                f"ENV PIP_CERT={CA_BUNDLE}",
                f"ENV SSL_CERT_FILE={CA_BUNDLE}",
            ],
        )
    if tar.returncode or '"error"' in answer:
        sys.exit(f"error: the engine did not take the image (tar: {tar.returncode}): {answer}")


def _run(*command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        command,
        check=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def note(text: str) -> None:
    sys.stderr.write(f"    {text}\n")


if __name__ == "__main__":
    try:
        with engine_here(30):
            print({"python": python_image, "base": base_image}[sys.argv[1]]())
    except (DockerException, RequestException, TunnelFailedError, ValueError) as error:
        sys.exit(f"error: the Docker engine refused: {error}")
