#include "connection_spec.h"
#include "source.h"

namespace weir::s3 {

const Spec<SourceSettings>& source_spec() {
  using S = SourceSettings;
  static const auto spec = [] {
    auto s =
        Spec<S>("S3Source",
                "Reads objects of Amazon S3 or any compatible store: whole, by lines, or by JSON records; new ones as "
                "they appear.");
    static const auto description =
        std::string(
            "What was read of each object is part of the durable state, together with what was emitted: after a crash "
            "nothing is missing and nothing comes twice.\n\n"
            "**New objects** are found by listing `prefix` every `interval`, page by page. `track: each` (the default) "
            "remembers the ETag of every object that is there: keys may appear in any order, and an object that was "
            "replaced by another is read from its beginning. That takes about 150 bytes of state and memory an object, "
            "until it is gone from the store. `track: last_key` remembers only the last key, and lists from there on: "
            "for prefixes whose keys come in ascending order, such as dates; a key that is lower than one already read "
            "is never read. Dates of change are not used: they are those of the store's clock, and two uploads that "
            "overlap may appear in either order.\n\n"
            "**Large objects** are fetched in pieces of `piece_size`, by ranged requests that insist on the ETag: "
            "memory is bounded, and a connection that breaks costs one piece. An object that is replaced or removed "
            "while it is read is left there, and a bulletin says so.\n\n"
            "**Lines, arrays, compressed objects**: as FileSource does. gzip and zstd are known by their first bytes, "
            "whatever the key or Content-Encoding say. To go on inside a compressed object after a restart, it is "
            "fetched again from its beginning.\n\n"
            "**Permissions**: ListBucket and GetObject; with `after: delete` also DeleteObject.\n\n") +
        std::string(kCredentialsHelp) + "\n\nWith `--until-idle` it has finished when all objects were read.";
    s.description(description)
        .example(
            "type: S3Source\n"
            "bucket: sensor-lake\n"
            "region: eu-central-1\n"
            "access_key: ${secret:S3_ACCESS_KEY}\n"
            "secret_key: ${secret:S3_SECRET_KEY}\n"
            "prefix: raw/\n"
            "match: '*.ndjson.gz'\n"
            "format: ndjson\n");
    add_connection(s)
        .property("prefix", &S::prefix, {.help = "Only keys that begin with this.", .example = "raw/date=2026-01-31/"})
        .property(
            "match", &S::match,
            {.help = "Only keys that this glob matches as a whole; `*` matches '/' too.", .example = "*.ndjson.gz"})
        .property("track", &S::track,
                  {.help = "How it knows which objects are new: see New objects.", .choices = {"each", "last_key"}})
        .property("interval", &S::interval,
                  {.help = "How often to look for new objects. With a `schedule`, that says it.", .above = 0})
        .property(
            "format", &S::format,
            {.help = "`whole`: a FlowFile an object. `lines`, `ndjson`: by lines, empty ones left out of the latter. "
                     "`json_array`: each element of the object's array a record.",
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
        .property("piece_size", &S::piece_size,
                  {.help = "Bytes that a request asks for.",
                   .unit = Unit::bytes,
                   .min = 64.0 * 1024,
                   .max = 64.0 * static_cast<double>(MiB)})
        .property("decompress", &S::decompress, {.help = "Unpack gzip and zstd. Else objects are taken as they are."})
        .property("after", &S::after,
                  {.help = "What becomes of an object that was read. `delete` happens once all that was read of it is "
                           "durable in the flow, and not if it was replaced in between.",
                   .choices = {"keep", "delete"}})
        .relationship({"success", "What was read."})
        .relationship({"failure", "Lines that are too long, and what stands behind a broken place of an object."})
        .writes("s3.key", "The key.")
        .writes("filename", "What stands behind the last '/' of the key.")
        .writes("s3.bucket", "The bucket.")
        .writes("s3.etag", "The object's ETag. Like the next four: not with `emit: each`.")
        .writes("s3.modified", "When it was last written, by the store's clock.")
        .writes("s3.size", "Its size in bytes, as stored.")
        .writes("s3.offset", "Where the chunk begins, in unpacked bytes.")
        .writes("fragment.index", "Lines (or elements) that stand before the chunk.")
        .state("For each object its ETag and how far it was read; or the last key.")
        .source()
        .blocking();
    return s;
  }();
  return spec;
}

}  // namespace weir::s3
