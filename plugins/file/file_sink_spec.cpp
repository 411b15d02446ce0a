#include "file_sink.h"

namespace weir::file {

const Spec<FileSinkSettings>& file_sink_spec() {
  using S = FileSinkSettings;
  static const auto spec =
      Spec<S>("FileSink",
              "Writes files: appended to or one a FlowFile, partitioned by a path over the data, compressed.")
          .description(
              "**Exactly once.** The state of each epoch says to what length each open file counts. An epoch is cut "
              "only after those bytes are on disk; after a crash, files are cut off at that length and go on from "
              "there. Nothing is missing, and nothing is there twice. `delivery: exactly_once` and the default use "
              "the same mechanism; the default also takes FlowFiles whose own epoch is not durable yet, which is "
              "faster, and after a crash such a file may hold the records of the same input computed anew. What "
              "stands behind the last durable length is visible to readers a fraction of a second before it counts.\n\n"
              "**Names.** A plain file that is not rolled grows under its own name. A file that is compressed, rolled, "
              "a JSON array or `file_each` is written as `.NAME.part` beside it and renamed when it is complete and "
              "durable: who sees a name sees a whole file. Files that are rolled get a number before their extension, "
              "`readings-000001.ndjson`; so does any file whose name exists already (a partition that gets late data "
              "after `close_idle`). Nothing is ever "
              "overwritten, but for `generation`.\n\n"
              "**Replacing.** With `generation`, a path has one file, and that is of one generation: such as a day's "
              "file that may come again, corrected. The first record of a higher generation (compared as text) begins "
              "the file anew, under a hidden name; when it is complete (by `close_idle`, at the end of a batch run, or "
              "as the next generation begins) and durable, it takes the place of the one before, in one step. What "
              "still comes of a lower generation is left out, with a bulletin; what comes of the same, after the file "
              "was complete, is added to a copy of it, which then takes its place. Which generation a path holds is "
              "part of the state, so all this holds over crashes and restarts. A path to which the higher generation "
              "brings nothing keeps its file; an empty FlowFile is enough to begin one.\n\n"
              "**Paths.** `$(SQL)` is evaluated for each record, or for each FlowFile if it reads attributes only. "
              "What it yields cannot add a directory: `/` and what else a name cannot hold is percent-encoded. A "
              "record whose path is NULL, empty or too long goes to `failure`. With more than `max_open` files open, "
              "the one not used for longest is closed; a compressed one is then complete, so give `max_open` the "
              "number of partitions that are written to at a time (each compressed one takes about 0.1 MiB for gzip, "
              "0.3 MiB from level 7 on, and 1 to 4 MiB for zstd).\n\n"
              "**Compression.** A checkpoint for each epoch costs a few bytes, not a new member: files compress as if "
              "written at once, and any tool reads them. After a crash a new member or frame is begun in the same "
              "file.\n\n"
              "**Troubles.** A full disk, a missing right or an I/O error makes it wait and try again; what was held "
              "is written again from where the state says. A file that was cut shorter than what counts stops it; one "
              "that was removed is begun anew, with a bulletin.")
          .example(
              "type: FileSink\n"
              "path: lake/date=$(strftime('%Y-%m-%d', timestamp))/$(sensor_id).ndjson.gz\n"
              "roll_size: 128MiB\n")
          .property("path", &S::path,
                    {.help = "The file to write; directories are created.",
                     .example = "lake/hour=$(strftime('%H', timestamp))/readings.ndjson.gz",
                     .required = true,
                     .kind = Kind::templated,
                     .encoding = Encoding::path_segment})
          .property("generation", &S::generation,
                    {.help = "See Replacing.", .example = "$(attr('file.modified'))", .kind = Kind::templated})
          .property("header", &S::header,
                    {.help = "How each file begins, such as the columns of a CSV file whose rows `WriteCsv` makes with "
                             "`header: false`. Not counted as a record.",
                     .example = "$(attr('csv.header'))",
                     .kind = Kind::templated})
          .property("format", &S::format,
                    {.help = "`as_is`: content as it comes (by records, where `path` reads their fields: then as "
                             "`ndjson`). `ndjson`: each record a line. `json_array`: one array a file.",
                     .choices = {"as_is", "ndjson", "json_array"}})
          .property("mode", &S::mode,
                    {.help = "`append`: FlowFiles one behind the other. `file_each`: a file each.",
                     .choices = {"append", "file_each"}})
          .property("separator", &S::separator,
                    {.help = "`newline`: with `as_is`, ends a FlowFile's content with a line's end where it has none. "
                             "`file_each` adds none.",
                     .choices = {"newline", "none"}})
          .property("compression", &S::compression,
                    {.help = "`auto`: by the suffix `.gz` or `.zst`.", .choices = {"auto", "none", "gzip", "zstd"}})
          .property("level", &S::level,
                    {.help = "Of compression: 1 to 9 for gzip, -7 to 19 for zstd; 0 is the library's default.",
                     .min = -7,
                     .max = 19})
          .property("roll_size", &S::roll_size,
                    {.help = "Begin another file when this one has so many bytes (as stored).",
                     .example = "128MiB",
                     .unit = Unit::bytes,
                     .min = 1})
          .property("roll_count", &S::roll_count, {.help = "… so many records.", .example = "1000000", .min = 1})
          .property("roll_age", &S::roll_age, {.help = "… this age.", .example = "1h", .above = 0})
          .property("close_idle", &S::close_idle,
                    {.help = "Complete a file that nothing was written to for this long. 0s: never.", .min = 0})
          .property("max_open", &S::max_open, {.help = "Files open at a time.", .min = 1, .max = 100'000})
          .property("sync_every", &S::sync_every,
                    {.help = "Where little goes to many files, how long FlowFiles may be held (they are durable in the "
                             "flow) before all those files are synced. Files that get much are synced with each epoch.",
                     .min = 0})
          .relationship({"failure", "Records without a path, and content that is not JSON where the format needs it."})
          .state(
              "For each open file the length that counts; of complete ones, that they are still to be renamed. "
              "With `generation`, what each path that was ever written holds.")
          .exactly_once()
          .blocking();
  return spec;
}

}  // namespace weir::file
