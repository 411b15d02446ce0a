#include "connection_spec.h"
#include "sink.h"

namespace weir::s3 {

const Spec<SinkSettings>& sink_spec() {
  using S = SinkSettings;
  static const auto spec = [] {
    auto s =
        Spec<S>("S3Sink",
                "Writes objects to Amazon S3 or any compatible store, partitioned by a key over the data, compressed, "
                "rolled by size, age and count.");
    s.description(
        "Data is written to files in the data directory first. When an object is complete (by `roll_size`, "
        "`roll_count`, "
        "`roll_age`, `close_idle`, or because more than `max_open` are open) it is uploaded in the background, and its "
        "file removed once a durable epoch knows that the store has it. A FlowFile has left the flow's queues when it "
        "is "
        "in such a file, durably; the SEND event names the object it will be in.\n\n"
        "**Exactly once.** An object gets its key when it is begun. The epoch that ends it is its manifest: key and "
        "bytes "
        "are fixed once that epoch is durable, and only then is it uploaded. However often a crash, a lost answer or a "
        "store that died make it upload again, it is the same object under the same key. `delivery: exactly_once` and "
        "the default use the same mechanism; the default also takes FlowFiles whose own epoch is not durable yet.\n\n"
        "**Keys.** An object is named by `key` with a label of this sink in this data directory and a number "
        "before "
        "the extension: `readings.ndjson.gz` becomes `readings-1f3a9c07-000042.ndjson.gz`. So sinks that share a "
        "prefix do "
        "not get in each other's way, and nothing is ever overwritten: where the store honours `If-None-Match` (which "
        "is "
        "found out with the first object, by writing it once more on that condition), by that; elsewhere the key is "
        "looked up first. With `mode: object_each` the key is `key` itself, and what was there is replaced.\n\n"
        "`$(SQL)` in the key is evaluated for each record, or for each FlowFile if it reads attributes only. What it "
        "yields "
        "cannot add a segment: `/` is percent-encoded. A record whose key is NULL, empty or too long goes to "
        "`failure`.\n\n"
        "**Large objects** are uploaded in parts. A multipart upload that a crash left behind is aborted before the "
        "next "
        "attempt.\n\n"
        "**Back pressure.** When more than `max_backlog` waits to be uploaded, the sink takes no more input until it "
        "is "
        "less.\n\n"
        "**In a flow that scales out** (docs/scaling-out.md) the objects of a partition are complete together: as soon "
        "as "
        "one of them is by `roll_size` or `roll_count`, the oldest has `roll_age`, nothing has come to any of them for "
        "`close_idle`, or they have `max_backlog` bytes. There may be more than `max_open` of them. All are uploaded "
        "in parts, however small, which "
        "nobody "
        "sees; then one small object under `progress_prefix` is written, with the condition that no other Weir has "
        "claimed "
        "the partition, and from then on all of them count; then their uploads are ended. So each record is in exactly "
        "one object, whatever dies when, and whatever the flow computes. The store has to honour `If-Match` and "
        "`If-None-Match` on writes, which is tried at each start. Uploads of a Weir that died stay, unseen, until a "
        "rule of "
        "the bucket aborts them (AbortIncompleteMultipartUpload): give it more days than all Weirs together are ever "
        "down, "
        "as the uploads of complete objects wait for the next owner too.\n\n");
    static const auto description = std::string(view(s.get().description)) + std::string(kCredentialsHelp);
    s.description(description)
        .example(
            "type: S3Sink\n"
            "bucket: sensor-lake\n"
            "region: eu-central-1\n"
            "access_key: ${secret:S3_ACCESS_KEY}\n"
            "secret_key: ${secret:S3_SECRET_KEY}\n"
            "key: raw/date=$(strftime('%Y-%m-%d', timestamp))/$(sensor_id).ndjson.gz\n"
            "delivery: exactly_once\n")
        .property("key", &S::object_key,
                  {.help = "The key of the objects. `.gz` and `.zst` compress.",
                   .example = "raw/hour=$(strftime('%H', timestamp))/readings.ndjson.gz",
                   .required = true,
                   .kind = Kind::templated,
                   .encoding = Encoding::path_segment});
    add_connection(s)
        .property("format", &S::format,
                  {.help = "`as_is`: content as it comes (by records, where `key` reads their fields: then as "
                           "`ndjson`). `ndjson`: each record a line. `json_array`: one array an object.",
                   .choices = {"as_is", "ndjson", "json_array"}})
        .property("mode", &S::mode,
                  {.help = "`append`: FlowFiles one behind the other, until the object is complete. `object_each`: an "
                           "object each.",
                   .choices = {"append", "object_each"}})
        .property("separator", &S::separator,
                  {.help = "`newline`: with `as_is`, ends a FlowFile's content with a line's end where it has none. "
                           "`object_each` adds none.",
                   .choices = {"newline", "none"}})
        .property("compression", &S::compression,
                  {.help = "`auto`: by the suffix `.gz` or `.zst`.", .choices = {"auto", "none", "gzip", "zstd"}})
        .property("level", &S::level,
                  {.help = "Of compression: 1 to 9 for gzip, -7 to 19 for zstd; 0 is the library's default.",
                   .min = -7,
                   .max = 19})
        .property("roll_size", &S::roll_size,
                  {.help = "An object is complete when it has so many bytes (as stored). 0B: never.",
                   .unit = Unit::bytes,
                   .min = 0})
        .property("roll_count", &S::roll_count, {.help = "… so many records. 0: never.", .min = 0})
        .property("roll_age", &S::roll_age, {.help = "… this age. 0s: never.", .min = 0})
        .property("close_idle", &S::close_idle,
                  {.help = "… and nothing was written to it for this long. 0s: never.", .min = 0})
        .property("max_open", &S::max_open, {.help = "Objects open at a time.", .min = 1, .max = 100'000})
        .property("max_backlog", &S::max_backlog,
                  {.help = "Bytes that may wait for their upload on the disk.", .unit = Unit::bytes, .min = 1})
        .property("uploads", &S::uploads, {.help = "Uploads at a time.", .min = 1, .max = 64})
        .property(
            "part_size", &S::part_size,
            {.help = "Of multipart uploads. It grows by itself where an object would have more than 10,000 parts.",
             .unit = Unit::bytes,
             .min = 5.0 * static_cast<double>(MiB),
             .max = 5.0 * static_cast<double>(GiB)})
        .property("multipart_from", &S::multipart_from,
                  {.help = "Objects of this size and more are uploaded in parts.",
                   .unit = Unit::bytes,
                   .min = 5.0 * static_cast<double>(MiB),
                   .max = 5.0 * static_cast<double>(GiB)})
        .property(
            "checksum", &S::checksum,
            {.help = "What the store checks what it got by, beside the signature, which covers the SHA-256 of the "
                     "content. `md5`: Content-MD5, which all know. `sha256`: x-amz-checksum-sha256, which is kept "
                     "with the object.",
             .choices = {"md5", "sha256", "none"}})
        .property("encryption", &S::encryption,
                  {.help = "By the store: with its own key, one of a key service, or that in two layers.",
                   .choices = {"none", "s3", "kms", "kms_dsse"}})
        .property("kms_key", &S::kms_key,
                  {.help = "The key of the key service; its default if not set.",
                   .example = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"})
        .property("storage_class", &S::storage_class, {.help = "Not set: the bucket's.", .example = "STANDARD_IA"})
        .property("acl", &S::acl, {.help = "A canned ACL.", .example = "bucket-owner-full-control"})
        .property("content_type", &S::content_type,
                  {.help = "Not set: by the extension of `key` and `format`.", .example = "application/x-ndjson"})
        .property("metadata", &S::metadata, {.help = "User metadata of each object.", .example = "{team: plant-7}"})
        .property("progress_prefix", &S::progress_prefix,
                  {.help = "In a flow that scales out, with `delivery: exactly_once`: how the keys begin of the small "
                           "objects that say how far each partition is. Not set: `_weir/` in the folder that `key` "
                           "begins with.",
                   .example = "state/weir/"})
        .property(
            "keep_copies", &S::keep_copies,
            {.help = "In a flow that scales out, with `delivery: exactly_once`: whether what counts is also stored "
                     "as ordinary objects, beside those that say how far each partition is, until it is in the "
                     "bucket. For stores that may lose what they have acknowledged when they are killed, or their "
                     "client is, while they end an upload in parts. It costs a second upload of everything. "
                     "`auto`: where the store says that it is MinIO, which does.",
             .choices = {"auto", "always", "never"}})
        .relationship({"failure", "Records without a key, and content that is not JSON where the format needs it."})
        .state(
            "For each open object its key and the length that counts; of complete ones, that they are to be uploaded.")
        .exactly_once()
        .blocking();
    return s;
  }();
  return spec;
}

}  // namespace weir::s3
