"""Runs matrix.py for the versions in `versions/`, or for the newest. The argument is where they are installed."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from server import ask

here = Path(__file__).parent
versions = sorted((path.stem for path in (here / "versions").glob("*.in")), key=lambda v: [*map(int, v.split("."))])
if os.environ.get("LATCHKEY_SDK_NEWEST"):
    versions = versions[-1:]
crowd = f"user_{uuid.uuid4()}"
for _ in range(101):
    ask(f"/user_management/users/{crowd}/auth_factors", {"type": "totp"})
for version in versions:
    path = {"PYTHONPATH": str(Path(sys.argv[1]) / version), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, here / "matrix.py", version, crowd], env=os.environ | path, check=True)
