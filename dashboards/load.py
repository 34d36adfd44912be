"""Run by Superset's own Python: makes the login and imports a bundle of assets, told as JSON on standard input."""

from __future__ import annotations

import json
import sys
from zipfile import ZipFile

from superset.app import create_app

ADMIN = "admin"


def main() -> None:
    told = json.load(sys.stdin)
    with create_app().app_context():
        _load(told["bundle"], told["password"])


def _load(bundle: str, password: str) -> None:
    # These look for the app when they are imported.
    from superset import security_manager
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.commands.importers.v1.utils import get_contents_from_bundle
    from superset.utils.core import override_user

    admin = security_manager.find_user(ADMIN) or security_manager.add_user(
        ADMIN, "reelmill", "admin", "admin@localhost", security_manager.find_role("Admin"), password
    )
    with ZipFile(bundle) as opened, override_user(admin):
        ImportAssetsCommand(get_contents_from_bundle(opened)).run()


if __name__ == "__main__":
    main()
