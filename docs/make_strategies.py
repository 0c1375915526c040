"""Write the table of strategies into strategies.md, from the one in the code: ``python docs/make_strategies.py``."""

from pathlib import Path

from cryoal.acquisition.strategies import STRATEGIES, Strategy
from cryoal.io.durable import write_atomic

PAGE = Path(__file__).with_name("strategies.md")
BEGIN, END = "<!-- made by make_strategies.py -->", "<!-- end -->"
HEADS = ("`--strategy`", "what is asked first", "score of a candidate", "the batch", "needs", "source")


def row(strategy: Strategy) -> list[str]:
    """One strategy."""
    batch = (strategy.selector.__doc__ or "").splitlines()[0].rstrip(".")
    if strategy.first:
        batch += f". Before the shipped committee has learnt from any label: `{strategy.first}`"
    needs = [f"{strategy.min_members} members"] if strategy.min_members > 1 else []
    needs += [] if strategy.pointwise else ["all candidates at once"]
    formula = "" if strategy.formula == "0" else strategy.formula
    return [f"`{strategy.name}`", strategy.description, formula, batch, ", ".join(needs), strategy.reference]


def table() -> str:
    """All of them, as Markdown."""
    rows = [HEADS, ["---"] * len(HEADS), *map(row, STRATEGIES.values())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def page(text: str) -> str:
    """The page with the table brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    write_atomic(PAGE, page(PAGE.read_text(encoding="utf-8")))
