"""Known vulnerabilities in the tested set of packages, by pip-audit.

    .venv/bin/python tests/audit.py [CONSTRAINTS]

asks PyPI's advisories about every pin in constraints.txt, and exits with 1 if one of them is affected. Where no
advisory can be reached, as on a machine without a network, it says that the audit was skipped, and why.
"""

import json
import subprocess
import sys
from pathlib import Path

# Seconds until a machine without a network has said so.
PATIENCE = 180


def main() -> int:
    """Run the audit, and print what it found."""
    pins = sys.argv[1] if len(sys.argv) > 1 else "constraints.txt"
    command = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", pins]
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return _skipped(f"no answer within {PATIENCE} s")
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _skipped((done.stderr.strip().splitlines() or ["no output"])[-1][:200])
    audited = [package for package in packages if "vulns" in package]
    affected = [(package, vulnerability) for package in audited for vulnerability in package["vulns"]]
    for package, vulnerability in affected:
        fixed = ", ".join(vulnerability["fix_versions"]) or "none"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    if not audited:
        return _skipped(f"no advisories for any of {len(packages)} packages; {packages[0]['skip_reason']}")
    print(f"audit: {len(audited)} of {len(packages)} packages, {len(affected)} known vulnerabilities")
    return 1 if affected else 0


def _skipped(reason: str) -> int:
    print(f"audit skipped: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
