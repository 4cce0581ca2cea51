"""Prints the matrix of versions and operations, from the lines of the drivers, and compares it with docs/COMPATIBILITY.md.

The arguments are the files with the lines: a version, a column, `passed`, `absent` or `failed`, and why. A cell that
differs from the document is a failure, and so is a version that the document says runs here and that did not, or the
reverse. With `--newest`, only some of the versions ran.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
COLUMNS = range(1, 21)
RUNS_HERE = "here"


def documented():
    """The cells of each version in the document, and which versions run here."""
    text = (HERE / "../../docs/COMPATIBILITY.md").read_text()
    rows, here = {}, set()
    for line in text.split("\n```text\n")[1].split("\n```")[0].splitlines()[1:]:
        version, *cells = line.split()
        if cells[-1] == RUNS_HERE:
            here.add(version)
            cells.pop()
        assert len(cells) == len(COLUMNS), line
        rows[version] = cells
    return rows, here


def own_faults():
    """What the error of a version's own fault says, by version and column."""
    faults = {}
    for line in (HERE / "own_faults.tsv").read_text().splitlines():
        if not line.startswith("#"):
            versions, columns, says, _ = line.split("\t")
            faults |= {(v, int(c)): says for v in versions.split() for c in columns.split()}
    return faults


def outcomes(files):
    """The cell of each operation that ran, and why it failed, by version and column."""
    faults, cells = own_faults(), {}
    for file in files:
        for line in Path(file).read_text().splitlines():
            version, column, outcome, why = line.split("\t")
            key = version, int(column)
            assert key not in cells, f"{key} ran twice"
            own = outcome == "failed" and key in faults and faults[key] in why
            cells[key] = "s" if own else {"passed": ".", "absent": "–", "failed": "x"}[outcome], why
    return cells


def main(arguments):
    """Whether everything is as documented."""
    is_partial = "--newest" in arguments
    cells = outcomes([argument for argument in arguments if argument != "--newest"])
    rows, here = documented()
    versions = list(dict.fromkeys(version for version, _ in cells))
    print(f"{'version':<16}", *(f"{column:>2}" for column in COLUMNS))
    for version in versions:
        print(f"{version:<16}", *(f"{cells.get((version, column), 'x')[0]:>2}" for column in COLUMNS))
    print("\n. passed   – not in this SDK   s the SDK's own fault (tests/sdk/own_faults.tsv)   x failed")
    print("What the columns are, and which SDKs cannot run here, is in docs/COMPATIBILITY.md.")

    failures = []
    if not is_partial and set(versions) != here:
        failures.append(f"docs/COMPATIBILITY.md says that other versions run here: {sorted(set(versions) ^ here)}")
    for version in versions:
        for column in COLUMNS:
            cell, why = cells.get((version, column), ("x", "did not run"))
            expected = rows.get(version, {column - 1: "no row"})[column - 1]
            if cell != expected:
                failures.append(f"{version}, column {column}: {cell} and not {expected} {why}")
    print(*failures, sep="\n", end="\n" if failures else "")
    passed = sum(cell == "." for cell, _ in cells.values())
    print(f"{len(versions)} versions, {passed} operations passed, {len(failures)} failed")
    return not failures


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
