#include "read_csv.h"

namespace weir::csv {

const Spec<ReadCsvSettings>& read_csv_spec() {
  static const auto spec =
      Spec<ReadCsvSettings>("ReadCsv", "Makes records of the rows of a CSV file.")
          .description(
              "Reads RFC 4180: quoted cells with delimiters, line ends and doubled quotes in them, rows that end with "
              "CRLF or LF, a byte order mark. A quote within a cell that does not begin with one is an ordinary "
              "character. Lines without anything are passed over. Records leave as newline-delimited JSON, about 1 MiB "
              "a FlowFile, so a file of any size is read in bounded memory, in as many sessions as it takes.\n\n"
              "**Types** come from the record that `record:` beside the type names: a declared `text` is text whatever "
              "it looks like; `integer`, `number` and Unix times may have spaces around them, a plus sign and needless "
              "zeros; `boolean` is true, false, yes, no, t, f, y, n, 1 or 0 in any case; `json` is JSON; other times "
              "stay text, and are checked where they are read. What is not declared is inferred cell by cell: without "
              "quotes, what JSON calls a number becomes one, digit for digit, and true and false become booleans; all "
              "else is text (so is 007). Declare such columns as text whose cells may look like numbers: postal codes, "
              "phone numbers. An empty cell is null, `\"\"` is an empty text.\n\n"
              "**Bad rows** go to `failure`, each with its own bytes, the line it begins on and the reason: another "
              "number of cells than there are columns, a cell that is not of its type, a required one that is empty, a "
              "quote that is not closed, text that is not UTF-8, a row longer than `max_row`. Where the quotes are "
              "broken only the row's first line is bad, and reading goes on with the next: one stray quote does not "
              "swallow the file.\n\n"
              "**Bad files** go to `failure` whole: no header, a column without name or with that of another, one "
              "that is required and missing, or one that is not declared under `extra: fail`.")
          .example("type: ReadCsv\ndelimiter: \";\"\nencoding: windows-1252\n")
          .property("delimiter", &ReadCsvSettings::delimiter,
                    {.help = "The character between cells.", .example = "\"\\t\""})
          .property("quote", &ReadCsvSettings::quote, {.help = "The character around cells that need it."})
          .property("header", &ReadCsvSettings::header, {.help = "The first row holds the columns' names."})
          .property("columns", &ReadCsvSettings::columns,
                    {.help = "The columns' names, in their order. With `header: true` they replace those of the "
                             "header, which must have as many.",
                     .example = "[id, name, city]"})
          .property("skip_lines", &ReadCsvSettings::skip_lines, {.help = "Lines to pass over before anything else."})
          .property("null", &ReadCsvSettings::null,
                    {.help = "A cell without quotes that says this is null. Unset: an empty cell.", .example = "NA"})
          .property("undeclared", &ReadCsvSettings::undeclared,
                    {.help = "What cells of columns without a declared type become: by what they look like, or text.",
                     .choices = {"infer", "text"}})
          .property("encoding", &ReadCsvSettings::encoding,
                    {.help = "Of the text in the file.", .choices = {"utf-8", "latin-1", "windows-1252"}})
          .property("max_row", &ReadCsvSettings::max_row,
                    {.help = "A longer row is bad: the bound of memory, and of what an open quote can hide.",
                     .unit = Unit::bytes,
                     .min = 1024,
                     .max = 64.0 * MiB})
          .relationship({"success", "The records, newline-delimited, in their order."})
          .relationship({"failure", "Rows that cannot be read, and files without usable columns, unchanged."})
          .writes("csv.line", "On a bad row: the line it begins on, from 1.")
          .writes("csv.header", "On a bad row: the header of its file, as it stands there.")
          .state("The line and the header of a file that takes several sessions.");
  return spec;
}

}  // namespace weir::csv
