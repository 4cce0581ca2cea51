"""Runs the code of a document as it stands, and compares what it prints with what it says after `→`: `snippets.py DOCUMENT LANGUAGE`.

The blocks of a language, one after another, are one program. If the first one says "The snippets below go here", the others go
there. Blocks with a file name, such as ```csv users.csv, are files beside the program. In what is expected, `…` is any text.
What was printed is not shown, because it may contain secrets.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SDKS = ROOT / "target/sdk"
# What runs a program, and its name under target/sdk, where its language finds the SDK.
LANGUAGES = {
    "sh": (["bash", "-euo", "pipefail"], "snippets/main.sh"),
    "js": (["node"], "node/snippets/main.mjs"),
    "python": (["python3"], "snippets/main.py"),
    "go": (["go", "run", "-mod=readonly"], "go/snippets/main.go"),
    "java": (["java", "-cp", f"{SDKS}/java/*"], "snippets/Main.java"),
}
PLACE = re.compile(r"^\s*// The snippets below go here\.$", re.MULTILINE)


def is_like(line, expected):
    return re.fullmatch(".+".join(map(re.escape, expected.split("…"))), line) is not None


document, language = sys.argv[1:]
command, name = LANGUAGES[language]
program = SDKS / name
program.parent.mkdir(parents=True, exist_ok=True)
snippets = []
blocks = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
for kind, file, text in blocks:
    if file:
        (program.parent / file).write_text(text)
    elif kind == language:
        snippets.append(text)
first, others = snippets[0], "".join(snippets[1:])
program.write_text(PLACE.sub(lambda _: others, first) if PLACE.search(first) else first + others)

expected = re.findall(r"→ (.*)", "".join(snippets))
env = {**os.environ, "PATH": f"{SDKS}/venv/bin:{os.environ['PATH']}"}
run = subprocess.run(
    [*command, program], cwd=program.parent, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
)
printed = run.stdout.splitlines()
wrong = [text for line, text in zip(printed, expected) if not is_like(line, text)]
count = f"{document}, {language}: {len(snippets)} snippets, {len(printed)} of {len(expected)} lines"
if run.returncode or wrong or not expected or len(printed) != len(expected):
    wrong = "".join(f"not printed: {text}\n" for text in wrong)
    sys.exit(f"{count}, exit code {run.returncode}\n{wrong}{run.stderr}")
print(count)
