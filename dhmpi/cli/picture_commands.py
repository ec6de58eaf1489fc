"""Commands that draw results files: pictures, and pages for a browser."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dhmpi.cli.parser import Command, Parser, in_columns
from dhmpi.errors import OptionError
from dhmpi.support.printing import Printer, tell_written

if TYPE_CHECKING:
    from dhmpi.analysis.plots import View

PLOT = "pictures of results: convergence, importance, workers, failures; several files are compared"
REPORT = "one page with charts and tables, of one campaign or several, for any browser"
EPILOG = """\
examples:
  dhmpi plot results.h5
  dhmpi plot results.h5 gantt idle -o workers.svg
  dhmpi plot results.h5 curves survival -o stopped.png
  dhmpi plot ambs-*.h5 random-*.h5 incumbent -o compared.png
  dhmpi plot --text results.h5
"""


def _plot(command: str, words: list[str]) -> int:
    usage = f"dhmpi {command} FILE ... [KIND ...] [-o OUTPUT]"
    parser = Parser(f"dhmpi {command}", usage=usage, description=f"Draw {PLOT}.", epilog=EPILOG)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FILE ... [KIND ...]",
        help="results files, which may still be being written, and kinds of pictures (default: a sheet of those that "
        "say most)",
    )
    parser.add_argument("-o", "--output", help="ends in .png, .svg or .pdf (default: the first file's name with .png)")
    parser.add_argument("--list", action="store_true", help="only list the kinds of pictures")
    parser.add_argument("--text", action="store_true", help="print the best value so far as a curve of characters")
    arguments = parser.parse_args(words)

    from dhmpi.analysis.kind_names import KINDS, check_kinds

    if arguments.list:
        print(in_columns(KINDS.items()), file=Printer())
        return 0
    files = [word for word in arguments.words if _is_file(word)]
    kinds = [word for word in arguments.words if not _is_file(word)]
    check_kinds(kinds)
    if not files:
        raise OptionError(f"a results file must be given, got {' '.join(kinds) or 'none'}; see dhmpi plot --help")
    if arguments.text:
        if kinds not in ([], ["incumbent"]) or arguments.output is not None:
            raise OptionError("--text must come without kinds and --output, since it prints the incumbent")
        _print(files)
        return 0
    output = str(Path(files[0]).with_suffix(".png")) if arguments.output is None else arguments.output
    _draw(files, kinds, output)
    return 0


def _is_file(word: str) -> bool:
    return word.endswith((".h5", ".hdf5")) or os.sep in word or Path(word).is_file()


def _print(files: list[str]) -> None:
    from dhmpi import results
    from dhmpi.analysis import text_plot

    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    width, printer = shutil.get_terminal_size().columns, Printer()
    for file in files:
        text_plot.print_incumbent(results.read(file), printer, width, encoding == "utf8", file)


def _draw(files: list[str], kinds: list[str], output: str) -> None:
    try:
        from dhmpi.analysis.plots import sheet
        from dhmpi.support.whole_file import whole_file
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        raise OptionError(
            'pictures need matplotlib, got none; run: pip install "dhmpi[plots]", or use dhmpi plot --text'
        ) from error
    sheet.check_name(output)
    with whole_file(output, "output") as path:
        sheet.save(sheet.figure([_view(file) for file in files], kinds), str(path))
    tell_written(output)


def _view(file: str) -> "View":
    import time

    from dhmpi import results
    from dhmpi.analysis.plots import View

    found = results.read(file)
    is_going_on = found.metadata.is_open and results.is_written(file)
    return View(found, Path(file).name, time.time() if is_going_on else None)


def _report(command: str, words: list[str]) -> int:
    parser = Parser(
        f"dhmpi {command}",
        description=f"Write {REPORT}. It needs no network and no server: it can be mailed, kept, and printed.",
    )
    parser.add_argument("files", nargs="+", metavar="file", help="results file; several are compared")
    parser.add_argument(
        "-o", "--output", default="report.html", metavar="FILE.html", help="the page (default: %(default)s)"
    )
    arguments = parser.parse_args(words)

    from dhmpi.analysis.report import writer

    tell_written(str(writer.write(arguments.files, arguments.output)))
    return 0


PICTURE_COMMANDS = {"plot": Command(_plot, PLOT), "report": Command(_report, REPORT)}
