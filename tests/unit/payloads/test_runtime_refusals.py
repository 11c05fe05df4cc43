"""What engines say of what they cannot make or start: told by the whole form of their sentence, not
by a word, which may be the caller's own. The texts are those of 20.10 and 28.5, unless they say.
"""

import pytest

from orchestrator import errors
from orchestrator.models import CreateRequest
from orchestrator.payloads import about_spec, refusal
from orchestrator.payloads.runtime_refusals import runtime_refusal

from ..examples import spec

OLD = (
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start"
    " container process: {}: unknown"
)
NEW = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed:"
    " runc create failed: unable to start container process: error during container init: {}"
)
OLDER = (
    "OCI runtime create failed: container_linux.go:380: starting container process caused: {}:"
    " unknown"
)
DATA = "/var/lib/docker/volumes/web-data/_data"
ROOT = "/var/lib/docker/overlay2/" + "25cc54a73d3e195a" * 4 + "/merged"
HINT = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified"
    " host path exists and is the expected type"
)


def meaning(text: str, status: int = 500) -> errors.OrchestratorError:
    return refusal(status=status, text=text)


@pytest.mark.parametrize(
    ("text", "path", "volume"),
    [
        (f"source {ROOT}/etc/passwd is not directory", "/etc/passwd", None),
        (f"lstat {ROOT}/etc/passwd/x: not a directory", "/etc/passwd/x", None),
        (f"lstat {ROOT}/{'a' * 300}: file name too long", f"/{'a' * 56}...", None),
        ("Cannot mkdir: /etc/passwd is not a directory", "/etc/passwd", None),
        (
            OLD.format(
                f'error during container init: error mounting "{DATA}" to rootfs at "/proc/x":'
                f' "{ROOT}/proc/x" cannot be mounted because it is inside /proc'
            ),
            "/proc/x",
            "web-data",
        ),
        (
            NEW.format(
                f'error mounting "{DATA}" to rootfs at "/etc/hosts": mount src={DATA},'
                " dst=/etc/hosts, dstFd=/proc/thread-self/fd/14, flags=MS_BIND|MS_REC: not a"
                f" directory{HINT}"
            ),
            "/etc/hosts",
            "web-data",
        ),
        (
            NEW.format(
                'error mounting "tmpfs" to rootfs at "/etc/passwd": mount src=tmpfs,'
                f" dst=/etc/passwd, flags=MS_NOSUID: not a directory{HINT}"
            ),
            "/etc/passwd",
            None,
        ),
        (
            OLDER.format(
                "process_linux.go:545: container init caused: rootfs_linux.go:76: mounting"
                f' "{DATA}" to rootfs "{ROOT}" at "/etc/passwd" caused: not a directory{HINT}'
            ),
            "/etc/passwd",
            "web-data",
        ),
    ],
)
def test_a_path_that_cannot_be_is_told(text: str, path: str, volume: str | None) -> None:
    error = meaning(text)
    assert isinstance(error, errors.StartRefused)
    assert error.fields == {"path": path} | ({"volume": volume} if volume else {})
    assert path in error.message
    assert volume is None or f'volume "{volume}"' in error.message
    assert "/var" not in error.message


def test_the_whole_file_system_is_no_place_for_a_volume() -> None:
    text = NEW.format(
        f'error mounting "{DATA}" to rootfs at ".": create mountpoint for . mount: mountpoint'
        f' "{ROOT}" is on the top of rootfs "{ROOT}"'
    )
    found = meaning(text)
    assert isinstance(found, errors.StartRefused)
    assert "in the place of its whole file system" in found.message
    assert (found.fields["path"], found.fields["volume"]) == (".", "web-data")


@pytest.mark.parametrize(
    "text",
    [
        NEW.format(f'error mounting "{DATA}" to rootfs at "/data": input/output error'),
        NEW.format(
            'error mounting "cgroup" to rootfs at "/sys/fs/cgroup": no such file or directory'
        ),
        NEW.format('error mounting "proc" to rootfs at "/proc": operation not permitted'),
        OLD.format(
            "error during container init: open /proc/self/attr/keycreate: permission denied"
        ),
        OLD.format("error during container init: sethostname: invalid argument"),
        "failed to mount overlay: invalid argument",
        "open /var/lib/docker/containers/0f4c/config.v2.json: no such file or directory",
        "failed to create endpoint web on network x: Address already in use",  # of a fixed address
        "unlinkat /var/lib/docker/overlay2/0f/merged/etc: permission denied",
    ],
)
def test_what_the_engine_itself_fails_at_is_not_the_callers_mistake(text: str) -> None:
    assert type(meaning(text)) is errors.EngineFailed


@pytest.mark.parametrize(
    "words",
    [
        "port is already allocated",
        "bind: address already in use",
        "exchange full",
        "docker-init",
        "catatonit",
        "no such image",
        "no such container: x",
        "removal of container x",
        "x: no space left on device",
        "protocol not supported",
        "bind: cannot assign requested address",
        "cannot expose privileged port",
        "network x not found",
        "restrict inter-container communication",
        "unable to find user x: no matching entries in passwd file",
        'mounting \\"x\\" to rootfs at \\"/sbin/docker-init\\"',
    ],
)
@pytest.mark.parametrize("form", [OLD, NEW, OLDER])
@pytest.mark.parametrize(
    "cause",
    [
        'exec: "{0}": executable file not found in $PATH',
        'exec: "/{0}": stat /{0}: no such file or directory',
    ],
)
def test_a_word_in_the_name_of_a_program_decides_nothing(words: str, form: str, cause: str) -> None:
    error = meaning(form.format(cause.format(words)), 400)
    assert type(error) is errors.StartRefused, error
    assert "is missing or cannot be run" in error.message


@pytest.mark.parametrize(
    "words",
    ["port is already allocated", "no such image", "no space left on device", "docker-init"],
)
def test_a_word_in_a_directory_decides_nothing(words: str) -> None:
    for text in (
        f"lstat {ROOT}/etc/passwd/{words}: not a directory",
        f"Cannot mkdir: /etc/{words} is not a directory",
    ):
        error = meaning(text)
        assert isinstance(error, errors.StartRefused)
        assert words in str(error.fields["path"])


@pytest.mark.parametrize(
    "text",
    [
        'exec: "docker-init": executable file not found in $PATH',  # 20.10, of dockerd itself
        OLD.format(
            'error during container init: error mounting "/nope/docker-init" to rootfs at'
            ' "/sbin/docker-init": stat /nope/docker-init: no such file or directory'
        ),
        # of Podman 4.3
        "container-init binary not found on the host: stat /usr/libexec/podman/catatonit: no such"
        " file or directory",
    ],
)
def test_an_engine_without_an_init_process(text: str) -> None:
    error = meaning(text)
    assert isinstance(error, errors.StartRefused)
    assert "DEFAULT_INIT=false" in error.message


HIDDEN = (
    OLD.format('exec: "/sbin/docker-init": stat /sbin/docker-init: no such file or directory'),
    NEW.format('exec: "/sbin/docker-init": is a directory: permission denied'),
    NEW.format(
        'error mounting "/usr/bin/docker-init" to rootfs at "/sbin/docker-init": create mountpoint'
        " for /sbin/docker-init mount: read-only file system"
    ),
)


@pytest.mark.parametrize("text", HIDDEN)
def test_an_init_process_that_a_volume_hides(text: str) -> None:
    error = meaning(text, 400)
    assert isinstance(error, errors.StartRefused)
    assert "hides the init process" in error.message
    assert "DEFAULT_INIT" not in error.message


def test_a_program_of_the_same_name_is_a_program() -> None:
    error = meaning(NEW.format('exec: "docker-init": executable file not found in $PATH'), 400)
    assert error.fields == {"program": "docker-init"}


def test_too_many_open_files_are_called_by_the_name_of_the_field() -> None:
    for form in (OLD, NEW):
        error = meaning(
            form.format(
                "error setting rlimits for ready process: error setting rlimit type 7: operation"
                " not permitted"
            )
        )
        assert isinstance(error, errors.StartRefused)
        assert "`ulimits`" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "unable to find user app: no matching entries in passwd file",
        "unable to find group app: no matching entries in group file",
        "uids and gids must be in range 0-2147483647",
        'chdir to cwd ("/root/x") set in config.json failed: permission denied',
    ],
)
def test_a_user_or_directory_that_is_not_there(text: str) -> None:
    error = meaning(text)
    assert isinstance(error, errors.StartRefused)
    assert "user or working directory" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "image with reference x:1 was found but does not match the specified platform: wanted"
        " linux/arm64, actual: linux/amd64",
        "image with reference x:1 was found but its platform (linux/amd64) does not match the"
        " specified platform (linux/arm64)",
    ],
)
def test_an_image_for_another_platform(text: str) -> None:
    assert isinstance(meaning(text, 404), errors.ImageNotFound)


def test_a_volume_whose_name_is_too_long() -> None:
    name = "h" * 270
    error = meaning(
        f"create {name}: error while creating volume root path '/var/lib/docker/volumes/{name}':"
        f" mkdir /var/lib/docker/volumes/{name}: file name too long"
    )
    assert isinstance(error, errors.InvalidRequest)
    assert "/var" not in error.message


# What was asked for at the path


def told(text: str, **body: object) -> errors.StartRefused:
    error = runtime_refusal(text)
    assert isinstance(error, errors.StartRefused)
    return about_spec(error, spec(CreateRequest.model_validate(body)))


@pytest.mark.parametrize(
    ("body", "field", "shown"),
    [
        ({"volumes": ["aa:/x", "web-data:/etc/passwd:ro"]}, "volumes", '"web-data:/etc/passwd:ro"'),
        ({"tmpfs": ["/etc/passwd"]}, "tmpfs", '"/etc/passwd"'),
        ({"workdir": "/etc/passwd/x", "volumes": ["aa:/etc"]}, "workdir", '"/etc/passwd/x"'),
    ],
)
def test_what_was_asked_for_there_is_named(body: dict[str, object], field: str, shown: str) -> None:
    error = told("Cannot mkdir: /etc/passwd is not a directory", **body)
    assert error.message.startswith(f"{field}: ")
    assert shown in error.message
    assert error.fields == {"field": field, "path": "/etc/passwd"}


def test_what_hides_the_init_process_is_named() -> None:
    for text in HIDDEN:
        error = told(text, volumes=["aa:/usr/lib", "bb:/usr"], workdir="/sbin")
        assert error.message.startswith('volumes: volume "bb:/usr" hides the init process')
        assert '"init": false' in error.message


def test_what_was_not_asked_for_is_not_named() -> None:
    error = told(HIDDEN[0], volumes=["aa:/data"])
    assert error.message.startswith("A volume or tmpfs hides")
    error = told("Cannot mkdir: /etc/passwd is not a directory", volumes=["aa:/data"])
    assert "data" not in error.message
