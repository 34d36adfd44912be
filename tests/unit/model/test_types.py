"""The contract is importable where there is no torch."""

import subprocess
import sys


def test_the_contract_imports_without_torch() -> None:
    code = "import sys, pipelines.model.types; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
