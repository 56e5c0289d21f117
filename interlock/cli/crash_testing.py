"""The crash kit from the command line: the report to stdout, a code that says whether it is clean."""

from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.team_loading import load_team
from interlock.console.clean_text import clean_lines
from interlock.testing.crash_kit import CrashPlan, crash_test


def show_crash_test(output: Output, *, team: str, plan: CrashPlan) -> int:
    """Test a team and show the report.

    Raises:
        ConfigurationError: There is no such team, or it cannot be tested here.
        CrashKitError: A life of the team failed by itself.
    """
    load_team(team)  # words a wrong name better than a process that has died of it
    report = crash_test(team, plan)
    output.show("\n".join(clean_lines(str(report))), data=report.dump())
    return ExitCode.COMPLETED if report.is_clean else ExitCode.DEGRADED
