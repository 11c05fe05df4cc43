"""What a container is held to, as the engine is told."""

from typing import Any

import pytest

from orchestrator.errors import InvalidRequest
from orchestrator.models import CreateRequest, Image
from orchestrator.payloads.create import confined_body
from orchestrator.policy import check_health_check, confinement_of, limits_of
from orchestrator.settings import Settings

MIB = 1024 * 1024


def body(
    image_user: str = "", /, settings: Settings | None = None, **fields: Any
) -> dict[str, Any]:
    request = CreateRequest.model_validate(fields)
    chosen = settings or Settings()
    image = Image("image", user=image_user)
    return confined_body(confinement_of(request, limits_of(request, chosen), image, chosen))


def test_a_request_without_wishes_has_every_limit() -> None:
    made = body()
    assert "User" not in made
    assert made["HostConfig"] == {
        "Memory": 512 * MIB,
        "MemorySwap": 512 * MIB,
        "NanoCpus": 1_000_000_000,
        "PidsLimit": 512,
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": ["NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_CHROOT", "SETFCAP"],
        "Init": True,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }


def test_wishes_come_before_settings() -> None:
    host = body(memory="64m", cpus=0.29, pids=7, init=False)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (64 * MIB, 64 * MIB)
    assert (host["NanoCpus"], host["PidsLimit"], host["Init"]) == (290_000_000, 7, False)


def test_limits_and_rotation_can_be_turned_off() -> None:
    host = body(settings=Settings(default_cpus=0, default_pids=0, log_rotation="off"))["HostConfig"]
    assert (host["NanoCpus"], host["PidsLimit"]) == (0, 0)
    assert "LogConfig" not in host


def test_the_operator_may_turn_the_init_process_off() -> None:
    without = Settings(default_init=False)
    assert body(settings=without)["HostConfig"]["Init"] is False
    assert body(settings=without, init=True)["HostConfig"]["Init"] is True


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "65534:65534"),
        ("root", "65534:65534"),
        ("0", "65534:65534"),
        ("0:1000", "65534:65534"),
        ("root:app", "65534:65534"),
        ("000", "65534:65534"),
        ("app", "65534:65534"),
        ("toor", "65534:65534"),
        ("0x0", "65534:65534"),
        ("0x5", "65534:65534"),
        (" 0", "65534:65534"),
        (" 5", "65534:65534"),
        ("5 ", "65534:65534"),
        ("\u0665", "65534:65534"),
        ("-1", "65534:65534"),
        ("+5", "65534:65534"),
        (":5", "65534:65534"),
        ("2147483648", "65534:65534"),
        ("4294967296", "65534:65534"),
        ("18446744073709551616", "65534:65534"),
        ("1", "1"),
        ("1:", "1"),
        ("007", "7"),
        ("2147483647", "2147483647"),
        ("1000:0", "1000:0"),
        ("1000:app", "1000:app"),
    ],
)
def test_the_restricted_profile(user: str, expected: str) -> None:
    made = body(user, profile="restricted")
    host = made["HostConfig"]
    assert made["User"] == expected
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"] is True
    assert host["Tmpfs"].keys() == {"/tmp"}
    assert {"noexec", "nosuid", "nodev", "size=64m"} <= set(host["Tmpfs"]["/tmp"].split(","))


@pytest.mark.parametrize("path", ["/tmp", "//tmp/", "/./tmp"])
def test_a_volume_takes_the_place_of_the_tmpfs(path: str) -> None:
    host = body(profile="restricted", volumes=[f"scratch:{path}"])["HostConfig"]
    assert "Tmpfs" not in host


@pytest.mark.parametrize("user", ["+0", "-0", "+0:5"])
def test_root_is_root_however_the_number_is_written(user: str) -> None:
    assert body(user, profile="restricted")["User"] == "65534:65534"


def test_a_user_that_is_asked_for_comes_before_the_images() -> None:
    assert body("app", user="1000")["User"] == "1000"
    assert body("root", profile="restricted", user="1000:1000")["User"] == "1000:1000"
    assert body("app", user="root")["User"] == "root"  # which is what `docker run` would give it


def test_a_health_check_is_changed_only_where_there_is_one() -> None:
    def check(image: Image, **asked: Any) -> None:
        check_health_check(CreateRequest.model_validate({"healthcheck": asked}), image)

    check(Image("app:1", has_health_check=True), interval=5)
    check(Image("app:1"), test="true", interval=5)
    with pytest.raises(InvalidRequest, match="healthcheck: the image has no health check"):
        check(Image("app:1"), interval=5)


@pytest.mark.parametrize(
    ("image_user", "asked", "owner"),
    [
        ("", None, ""),
        ("app", None, ""),
        ("1000", None, ",uid=1000"),
        ("app", "1000:2000", ",uid=1000,gid=2000"),
        ("1000", "app:5", ",gid=5"),
    ],
)
def test_a_directory_in_memory_is_its_users(image_user: str, asked: str | None, owner: str) -> None:
    options = body(image_user, user=asked, tmpfs={"/run": "1m"})["HostConfig"]["Tmpfs"]["/run"]
    assert options == f"rw,noexec,nosuid,nodev,mode=1777,size={MIB}{owner}"
