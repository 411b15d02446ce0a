#include "sink.h"

#include <algorithm>
#include <cctype>

#include "digest.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

file::PartitionedSettings partitioned(const SinkSettings& s) {
  file::PartitionedSettings p;
  p.path = s.object_key;
  p.format = s.format;
  p.each = s.mode == "object_each";
  p.rolls = !p.each && (s.roll_size != 0 || s.roll_count != 0);
  p.output = {.layout = file::layout_of(s.format, file::inspect(s.object_key).per_record),
              .newline = s.separator == "newline" && !p.each,
              .compression = file::compression_named(s.compression),
              .level = s.level};
  return p;
}

void check(const SinkSettings& s) {
  const auto key = file::inspect(s.object_key);
  if (s.object_key.empty() || s.object_key.front() == '/' || s.object_key.back() == '/')
    throw Misconfigured("key must name an object, and neither begin nor end with '/': '" + s.object_key + "'");
  if (!key.computed) {
    if (const auto objection = objection_to_key(s.object_key, 0); !objection.empty())
      throw Misconfigured("key: " + objection);
  }
  if (s.mode == "object_each" && key.per_record)
    throw Misconfigured(
        "mode: object_each writes an object a FlowFile: its key can use $(attr('…')), but no record's fields");
  if (s.multipart_from < s.part_size)
    throw Misconfigured("multipart_from must be at least part_size, " + format_bytes(s.part_size));
}

/// What a reader makes of an object, by its name.
std::string content_type_of(std::string_view key, std::string_view format) {
  const auto ends = [&](std::string_view end) { return key.ends_with(end); };
  if (ends(".gz")) return "application/gzip";
  if (ends(".zst")) return "application/zstd";
  if (ends(".ndjson") || ends(".jsonl") || format == "ndjson") return "application/x-ndjson";
  if (ends(".json") || format == "json_array") return "application/json";
  if (ends(".csv")) return "text/csv";
  return "application/octet-stream";
}

/// Beside the objects, in a folder that by its name readers of tables take for no partition.
std::string default_progress_prefix(const SinkSettings& s) {
  const auto fixed = s.object_key.substr(0, s.object_key.find("$("));
  const auto folder = fixed.rfind('/');
  return (folder == std::string::npos ? std::string() : fixed.substr(0, folder + 1)) + "_weir/";
}

KeepCopies keep_copies(const std::string& name) {
  return name == "auto" ? KeepCopies::automatic : name == "always" ? KeepCopies::always : KeepCopies::never;
}

}  // namespace

ObjectOptions object_options(const SinkSettings& s) {
  ObjectOptions options;
  auto& headers = options.headers;
  headers.emplace_back("Content-Type", s.content_type.value_or(content_type_of(s.object_key, s.format)));
  if (s.storage_class) headers.emplace_back("x-amz-storage-class", *s.storage_class);
  if (s.acl) headers.emplace_back("x-amz-acl", *s.acl);
  const bool kms = s.encryption == "kms" || s.encryption == "kms_dsse";
  if (s.kms_key && !kms) throw Misconfigured("kms_key has no effect without encryption: kms or kms_dsse");
  if (s.customer_key && s.encryption != "none")
    throw Misconfigured("an object is encrypted either by customer_key or by encryption: " + s.encryption);
  if (s.encryption != "none")
    headers.emplace_back("x-amz-server-side-encryption", s.encryption == "s3"    ? "AES256"
                                                         : s.encryption == "kms" ? "aws:kms"
                                                                                 : "aws:kms:dsse");
  if (s.kms_key) headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", *s.kms_key);
  for (const auto& [name, value] : s.metadata) {
    const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '_';
    });
    if (!good || value.find_first_of("\r\n") != std::string::npos)
      throw Misconfigured("metadata: '" + name +
                          "' needs a name of letters, digits, '-' and '_', and one line of text");
    headers.emplace_back("x-amz-meta-" + name, value);
  }
  options.checksum = s.checksum == "md5" ? Checksum::md5 : s.checksum == "sha256" ? Checksum::sha256 : Checksum::none;
  return options;
}

S3Sink::S3Sink(SinkSettings settings) : PartitionedSink(partitioned(settings)), settings_(std::move(settings)) {
  check(settings_);
  object_options(settings_);
  credentials_ = credentials_of(settings_);
}

void S3Sink::start(Context& context) {
  const Lane lane(context);
  Client(settings_, credentials_, [&lane] { return lane.given_up(); }).check();
  if (!lane)
    uploader_ =
        std::make_unique<Uploader>(upload_options(), credentials_, context, [context]() mutable { context.wake(); });
  PartitionedSink::start(context);
  if (lane) start_in_lane(lane);
}

UploadOptions S3Sink::upload_options() const {
  UploadOptions options;
  options.connection = settings_;
  options.object = object_options(settings_);
  options.part_size = settings_.part_size;
  options.multipart_from = settings_.multipart_from;
  options.threads = settings_.uploads;
  return options;
}

SpoolOptions S3Sink::spool_options(const std::string& owner) const {
  SpoolOptions options;
  options.output = partitioned(settings_).output;
  options.bucket = settings_.bucket;
  options.label = hex(sha256(owner)).substr(0, 8);
  options.owner = owner;
  options.exact_keys = settings_.mode == "object_each";
  options.roll_size = settings_.roll_size;
  options.roll_count = settings_.roll_count;
  options.roll_age = settings_.roll_age;
  options.close_idle = settings_.close_idle;
  options.max_open = settings_.max_open;
  return options;
}

void S3Sink::start_in_lane(const Lane& lane) {
  const auto owner = lane.id() + '/' + std::string(context_.name());
  LaneSinkOptions options;
  options.delivery = {.upload = upload_options(),
                      .owner = owner,
                      .progress_key = {},
                      .exact_keys = settings_.mode == "object_each",
                      .keep_copies = keep_copies(settings_.keep_copies)};
  if (context_.exactly_once())
    options.delivery.progress_key = settings_.progress_prefix.value_or(default_progress_prefix(settings_)) + owner;
  options.objects = spool_options(owner);
  options.max_bytes = settings_.max_backlog;
  options.by_record = by_record();
  lane_sink_ = std::make_unique<LaneSink>(std::move(options), credentials_, context_, lane,
                                          [this](Session& session, FlowFile file, file::Targets& to,
                                                 const LaneSink::Refuse& refuse) { write(session, file, to, refuse); });
}

std::unique_ptr<file::Outputs> S3Sink::open(Context& context) {
  if (!uploader_) return nullptr;
  const auto owner =
      std::string(context.store_id()) + '/' + std::string(context.flow()) + '/' + std::string(context.name());
  auto spool = std::make_unique<Spool>(spool_options(owner), context.folder(), durable_token_, *uploader_,
                                       [this](const std::string& text) { context_.bulletin(Level::warning, text); });
  spool_ = spool.get();
  return spool;
}

std::string S3Sink::objection_to_path(std::string_view path, std::size_t fixed) const {
  return objection_to_key(path, fixed);
}

void S3Sink::step(Batch batch, Session& session) {
  if (lane_sink_) return lane_sink_->step(batch, session);
  uploader_->check();
  if (!batch.empty() && uploader_->waiting_bytes() > settings_.max_backlog) {
    const auto trouble = uploader_->trouble();
    throw Unavailable("more than max_backlog, " + format_bytes(settings_.max_backlog) + ", waits to be uploaded to " +
                      settings_.bucket + (trouble.empty() ? "" : ": " + trouble));
  }
  PartitionedSink::step(batch, session);
}

void S3Sink::tick(Session& session) {
  lane_sink_ ? lane_sink_->tick(session) : PartitionedSink::tick(session);
}

void S3Sink::flush(Session& session) {
  lane_sink_ ? lane_sink_->flush(session) : PartitionedSink::flush(session);
}

/// It is over when the store has everything.
void S3Sink::finish(Session& session) {
  if (lane_sink_) return lane_sink_->flush(session);
  uploader_->check();
  if (finishing_) uploader_->wait(std::chrono::milliseconds(500));
  finishing_ = true;
  PartitionedSink::finish(session);
  if (spool_->busy()) session.again();
}

void S3Sink::durable(std::uint64_t token) {
  auto known = durable_token_.load();
  while (known < token && !durable_token_.compare_exchange_weak(known, token)) {
  }
  if (uploader_) uploader_->poke();
  context_.wake();
}

void S3Sink::stop() {
  lane_sink_.reset();
  spool_ = nullptr;
  close();
  uploader_.reset();
}

}  // namespace weir::s3
