"""The fault campaign from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence

from interlock.bench.fault_campaign import CampaignPlan, list_misses, run_campaign
from interlock.bench.fault_kinds import KINDS, MIX
from interlock.bench.original_supervisor import require_original
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.fault_campaign_page import draw_fault_campaign
from interlock.contracts.errors import ConfigurationError
from interlock.demo.retail_faults import run_retail_campaign


def show_fault_campaign(output: Output, *, plan: CampaignPlan, tickets: int) -> int:
    """Run the campaign, and show it; the code says whether the aims hold.

    Raises:
        ConfigurationError: langgraph-supervisor is not installed.
    """
    require_original()

    def tell(kind: str | None, rate: float, contender: str) -> None:
        what = f"{kind} at {rate:.0%}" if kind else "no faults"
        output.complain(f"  {contender}: {what}")

    rows = run_campaign(plan, tell=tell)
    if tickets:
        rows += run_retail_campaign(plan, most=tickets, tell=tell)
    misses = list_misses(rows)
    data = {
        "runs": plan.runs,
        "steps": plan.steps,
        "tickets": tickets,
        "seed": plan.seed,
        "rows": [row.dump() for row in rows],
        "aims": {"hold": not misses, "misses": misses},
    }
    output.show(draw_fault_campaign(rows), data=data)
    return ExitCode.DEGRADED if misses else ExitCode.COMPLETED


def parse_kinds(names: Sequence[str] | None) -> Sequence[str]:
    """Return kinds of faults by their names; all, if none is given.

    Raises:
        ConfigurationError: There is no such kind.
    """
    known = (*KINDS, MIX)
    for name in names or ():
        if name not in known:
            raise ConfigurationError(
                f"There is no kind of fault {name!r}. Known are {', '.join(map(repr, known))}."
            )
    return names or known


def parse_rates(text: str) -> list[float]:
    """Return shares, 0 to 1, from percents that are separated by commas.

    Raises:
        ConfigurationError: A part is no number above 0 and up to 100.
    """
    try:
        rates = [float(part) / 100 for part in text.split(",")]
    except ValueError as exc:
        raise _refuse(text) from exc
    if not all(0 < rate <= 1 for rate in rates):
        raise _refuse(text)
    return rates


def _refuse(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"--rates is {text!r}. Give percents above 0 and up to 100, separated by commas: --rates 5,20,50"
    )
