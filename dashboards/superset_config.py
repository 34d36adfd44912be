"""What Superset is told by `make dashboards`; the key and the home come from the environment."""

from __future__ import annotations

import logging
import os
from pathlib import Path

HOME = Path(os.environ["SUPERSET_HOME"])
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}"
# The datasets are templates: the time looked at and the words searched for become bounds that an index answers.
FEATURE_FLAGS = {"ENABLE_TEMPLATE_PROCESSING": True}
# Opening a tab again within a minute asks the mill nothing.
DATA_CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": str(HOME / "cache"),
    "CACHE_DEFAULT_TIMEOUT": 60,
}
SUPERSET_WEBSERVER_TIMEOUT = 90
# "Last week" goes on until now; for Superset itself it ends at midnight, before what one wants to see.
DEFAULT_RELATIVE_END_TIME = "now"
LOG_LEVEL = logging.ERROR  # warnings are about parts of Superset that are not used here
