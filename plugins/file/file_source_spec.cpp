#include "file_source.h"

namespace weir::file {

const Spec<FileSourceSettings>& file_source_spec() {
  using S = FileSourceSettings;
  static const auto spec =
      Spec<S>("FileSource", "Reads files: whole, by lines, or by JSON records; once, or as they grow.")
          .description(
              "What was read of each file is part of the durable state, together with what was emitted: after a crash "
              "nothing is missing and nothing comes twice. A file is known again by device, inode and its first "
              "1,024 bytes, so that renaming it changes nothing.\n\n"
              "**Changed files.** Without `tail`, a file that is written to after it was read, or replaced by another, "
              "is read again from its beginning: use `min_age` where files are still being written. With `tail`, only "
              "what is appended is read. Rotation is followed both ways: a file that was renamed is read to its end "
              "(in the same directory, whatever its new name) before the new one is begun, and a file that was "
              "truncated is read from its beginning. A file that comes and is rotated away again between two looks, or "
              "while nobody runs the flow, is found under its new name only: where that may be, name the rotated ones "
              "too, with a glob such as `app.log*`.\n\n"
              "**Lines.** A chunk holds whole lines, up to `chunk_size` of them; `\\r\\n` stays as it is; a last line "
              "without an end counts, with `tail` once it has ended or its file was rotated away. A byte order mark "
              "is skipped, and so are the empty lines of `ndjson`. With `emit: each` a FlowFile holds a line without "
              "its end. A line longer than `max_line` goes to `failure`, whole.\n\n"
              "**JSON arrays.** `json_array` takes a file's top-level array apart in constant memory. Each element "
              "becomes a line: line ends and indentation in it are left out, all other bytes stay. Where the array "
              "is broken, what stands before it is emitted, the rest goes to `failure`, and a bulletin says where.\n\n"
              "**Compressed files** are known by their first bytes (gzip, zstd; several members or frames too). Where "
              "one is damaged or ends early, a bulletin says at which byte; the lines before it are emitted, and the "
              "incomplete one goes to `failure`. To go on inside a compressed file after a restart, it is unpacked "
              "again up to there.\n\n"
              "With `--until-idle` it has finished when all files were read.")
          .example(
              "type: FileSource\n"
              "path: /var/log/sensors/*.ndjson.gz\n"
              "format: ndjson\n"
              "after: move\n"
              "move_to: /var/log/sensors/done\n")
          .property("path", &S::path,
                    {.help = "A file, a glob (`*`, `?`, `[a-z]`; `**` for any directories), or a directory. Links to "
                             "directories are not followed below it.",
                     .example = "data/**/*.ndjson",
                     .required = true})
          .property("recursive", &S::recursive, {.help = "Of a directory: the files in those below it, too."})
          .property("format", &S::format,
                    {.help = "`whole`: a FlowFile a file. `lines`, `ndjson`: see Lines. `json_array`: see JSON arrays.",
                     .choices = {"whole", "lines", "ndjson", "json_array"}})
          .property("emit", &S::emit,
                    {.help = "`chunk`: FlowFiles of many whole lines, which is fast. `each`: one a line or record.",
                     .choices = {"chunk", "each"}})
          .property("chunk_size", &S::chunk_size,
                    {.help = "Bytes of lines in a chunk, at most.",
                     .unit = Unit::bytes,
                     .min = 4096,
                     .max = 8.0 * static_cast<double>(MiB)})
          .property("max_line", &S::max_line,
                    {.help = "A longer line or record goes to `failure`.", .unit = Unit::bytes, .min = 1})
          .property("decompress", &S::decompress, {.help = "Unpack gzip and zstd. Else files are taken as they are."})
          .property("tail", &S::tail, {.help = "Go on with what is appended to the files, and follow rotation."})
          .property(
              "interval", &S::interval,
              {.help = "How often to look for new files, and for what was appended. With a `schedule`, that says it.",
               .above = 0})
          .property("sort", &S::sort,
                    {.help = "Which file first: by path, or the one that was written to longest ago.",
                     .choices = {"name", "mtime"}})
          .property("ignore_hidden", &S::ignore_hidden, {.help = "Skip names that begin with a dot."})
          .property("min_age", &S::min_age,
                    {.help = "Leave a file alone until it was not written to for this long.", .example = "10s"})
          .property("after", &S::after,
                    {.help = "What becomes of a file that was read. It happens once all that was read of it is durable "
                             "in the flow, and not if the file changed in between.",
                     .choices = {"keep", "delete", "move"}})
          .property("move_to", &S::move_to,
                    {.help = "With `after: move`: a directory on the same file system. A name that exists there gets "
                             "a number."})
          .relationship({"success", "What was read."})
          .relationship({"failure", "Lines that are too long, and what stands behind a broken place of a file."})
          .writes("filename", "The file's name.")
          .writes("path", "Its directory, relative to the directory or the fixed part of the glob in `path`.")
          .writes("absolute.path", "Its directory, absolute, with a slash at the end.")
          .writes("file.size", "Its size in bytes, as stored. Not with `emit: each`.")
          .writes("file.modified", "When it was last written to, UTC. Not with `emit: each`.")
          .writes("file.offset",
                  "Where the chunk begins, in unpacked bytes. Like the other two of the file and the next: not with "
                  "`emit: each`.")
          .writes("fragment.index", "Lines (or elements) that stand before the chunk. Not with `emit: each`.")
          .state("For each file its device, inode, fingerprint, size, time of change, and how far it was read.")
          .source()
          .blocking();
  return spec;
}

}  // namespace weir::file
