"""Looks for known vulnerabilities of everything in the virtual environment, with pip-audit.

Exit code 0: every package was looked up, and none has any. 1: some have, or were not looked
up. 75: the advisory database cannot be reached, or knows none of the packages, as when something
else answers in its place; nothing is known then.
"""

import json
import subprocess
import sys

UNREACHABLE = 75  # EX_TEMPFAIL of sysexits.h
_SIGNS = (
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ConnectionTimeout",
    "Failed to resolve",
)


def verdict(code: int, output: str, errors: str) -> tuple[int, list[str]]:
    """The exit code and the lines to print for what pip-audit returned and printed."""
    try:
        found = [each for each in json.loads(output)["dependencies"] if not _is_local(each)]
    except (ValueError, KeyError, TypeError):
        last = (errors.strip() or "pip-audit printed nothing").splitlines()[-1]
        if any(sign in errors for sign in _SIGNS):
            return UNREACHABLE, [last, "skipped: the advisory database cannot be reached"]
        return 1, [last, f"pip-audit failed with exit code {code}"]
    vulnerable = [each for each in found if each.get("vulns")]
    unknown = [each for each in found if "skip_reason" in each]
    lines = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, fixed in"
        f" {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for each in vulnerable
        for vulnerability in each["vulns"]
    ]
    if unknown and len(unknown) == len(found):
        reason = unknown[0]["skip_reason"]
        return UNREACHABLE, [reason, "skipped: the advisory database cannot be reached"]
    lines += [each["skip_reason"] for each in unknown]
    lines.append(f"{len(found)} packages: {len(vulnerable)} vulnerable, {len(unknown)} not audited")
    return int(bool(vulnerable or unknown or not found)), lines


def _is_local(dependency: dict[str, str]) -> bool:
    """The project itself, which is no package of a registry."""
    return "editable" in dependency.get("skip_reason", "")


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--skip-editable"]
    run = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True)
    code, lines = verdict(run.returncode, run.stdout, run.stderr)
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
