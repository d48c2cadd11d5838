"""Put an image's Debian packages beside its Python ones in a CycloneDX SBOM, and check the whole against its schema.

``python tools/sbom.py PYTHON_SBOM DPKG_LIST OUT``: the list has a package, its version and architecture on each line,
between tabs, as ``dpkg-query`` prints them in the image; ``cyclonedx-py environment`` has listed the Python packages
while it was built.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def make_component(package: str, version: str, architecture: str) -> dict[str, str]:
    """A Debian package as a CycloneDX component, with its package URL."""
    purl = f"pkg:deb/debian/{quote(package)}@{quote(version)}?arch={architecture}&distro=debian-12"
    return {"type": "library", "name": package, "version": version, "purl": purl, "bom-ref": purl}


def merge(sbom: str, packages: str) -> str:
    """The SBOM with a component for each line of the package list. Raises ValueError where it breaks the schema."""
    whole = json.loads(sbom)
    components = [make_component(*line.split("\t")) for line in packages.splitlines() if line]
    if not components:
        raise ValueError("The list of Debian packages is empty.")
    whole["components"] += components
    merged = json.dumps(whole, indent=2) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(merged)
    if fault is not None:
        raise ValueError(f"The SBOM breaks the CycloneDX 1.6 schema: {fault}")
    return merged


def main(arguments: list[str]) -> None:
    """Write the merged SBOM."""
    python_sbom, dpkg_list, out = map(Path, arguments)
    out.write_text(merge(python_sbom.read_text("utf-8"), dpkg_list.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
