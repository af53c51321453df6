import pytest

from handgrad.cli import main


@pytest.fixture
def handgrad(capsys):
    """Run a command line: (exit code, standard output, standard error)."""

    def run(*arguments):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as exit:  # argparse's own
            code = exit.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def fails(handgrad):
    """Run a command line that must fail: exit code 2, one line on standard error, no traceback."""

    def run(*arguments):
        code, _, err = handgrad(*arguments)
        assert code == 2, err
        last = err.strip().splitlines()[-1]
        assert last.startswith("handgrad"), err
        assert "Traceback" not in err
        return last

    return run
