#include "deduplicate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "bytes.h"

namespace weir::json {

namespace {

/// The number as a whole one, if it is.
std::optional<std::int64_t> whole(const Value& value) {
  if (value.type == ValueType::integer) return value.integer;
  if (value.type != ValueType::real || std::trunc(value.real) != value.real || std::abs(value.real) >= 0x1p63)
    return std::nullopt;
  return static_cast<std::int64_t>(value.real);
}

/// Appends a value so that two keys have the same bytes just if SQL calls their values equal (1 = 1.0, but not '1').
void append_value(std::string& to, const Value& value) {
  if (const auto number = whole(value)) {
    to += 'i';
    put(to, static_cast<std::uint64_t>(*number));
  } else if (value.type == ValueType::real) {
    to += 'r';
    put(to, std::bit_cast<std::uint64_t>(value.real));
  } else {
    to += value.type == ValueType::json ? 'j' : 't';
    put(to, value.text.size);
    to += view(value.text);
  }
}

}  // namespace

const Spec<DeduplicateSettings>& deduplicate_spec() {
  static const auto spec =
      Spec<DeduplicateSettings>("Deduplicate",
                                "Lets the first record with a key pass, and sorts out those that repeat it.")
          .description(
              "`key` is a list of fields or SQL expressions; records are the same if all of them are equal. Seen keys "
              "are part of the durable state, so no restart or crash lets a duplicate pass, or holds back what is "
              "none.\n\n"
              "A key is remembered `for` a time after it passed (by the flow's clock), and as long as it is among the "
              "youngest `max_keys`; both bound the memory, about 60 bytes a key (68 with `version`). With `version`, a "
              "whole number, a "
              "record with a higher version than the last that passed is no duplicate but an update: it passes, and "
              "its key is remembered anew.\n\n"
              "Where only some records of a FlowFile repeat, it is divided; the parts keep its form (array or "
              "newline-delimited) and the records their bytes. A key or version that is NULL, or cannot be computed, "
              "sends the record to `failure`: say `coalesce(field, '')` where NULL is as good as any value.\n\n"
              "Keys are kept as 128-bit SipHashes under a random key of this data directory: two different keys are "
              "taken for one with a chance of about 1 in 10^26 among a million, and nobody can make it happen.")
          .example("type: Deduplicate\nkey: [sensor_id, timestamp]\nfor: 10m\n")
          .property("key", &DeduplicateSettings::key,
                    {.help = "Fields, or SQL expressions, that tell records apart.",
                     .example = "[sensor_id, timestamp]",
                     .required = true,
                     .kind = Kind::field})
          .property("for", &DeduplicateSettings::keep_for,
                    {.help = "How long a key is remembered. Unset: while it is among `max_keys`.", .example = "10m"})
          .property("max_keys", &DeduplicateSettings::max_keys,
                    {.help = "At least so many keys are remembered, the youngest.", .min = 1, .max = 1e9})
          .property("version", &DeduplicateSettings::version,
                    {.help = "A field or SQL expression, a whole number; higher versions of a seen key pass.",
                     .example = "revision",
                     .kind = Kind::field})
          .relationship({"success", "Records with a key not seen, or a higher version."})
          .relationship({"duplicate", "Records whose key was seen."})
          .relationship({"failure", "Records whose key or version is NULL or cannot be computed."})
          .state("A 128-bit hash, and the version, of each key remembered.")
          .keeps_record();
  return spec;
}

Deduplicate::Deduplicate(DeduplicateSettings settings)
    : settings_(std::move(settings)),
      seen_(settings_.keep_for.value_or(Duration(0)).count(), settings_.max_keys, settings_.version.has_value()) {
  if (settings_.key.empty()) throw Misconfigured("key is empty: name the fields that tell records apart");
  if (settings_.keep_for && settings_.keep_for->count() <= 0)
    throw Misconfigured("for: a key has to be remembered for longer than nothing");
}

void Deduplicate::start(Context& context) {
  Query query(context);
  for (const auto& part : settings_.key) query.column(part);
  if (settings_.version) query.column(*settings_.version);
  statement_ = query.prepare();
  duplicates_metric_ = context.counter("deduplicate_duplicates", "Records that repeated a key.");
  updates_metric_ = context.counter("deduplicate_updates", "Records that passed by a higher version.");
  keys_metric_ = context.gauge("deduplicate_keys", "Keys that are remembered.");
}

void Deduplicate::step(Batch batch, Session& session) {
  seen_.begin(session);
  std::uint32_t current = 0;
  const auto send_until = [&](std::uint32_t next) {
    for (; current < next; ++current) send(batch[current], session);
  };
  verdicts_.clear();
  statement_.run(session, batch, [&](const Row& row) {
    send_until(row.input);
    const auto relationship = judge(row, session);
    form_ = row.form;
    auto json = view(row.json);
    const auto content = batch[row.input].content();
    const auto at = std::less_equal<>{};
    if (!(at(content.data(), json.data()) && at(json.data() + json.size(), content.data() + content.size())))
      json = copies_.emplace_back(json);
    verdicts_.push_back({json, relationship});
  });
  send_until(batch.size());
  seen_.end(session);
  keys_metric_.set(static_cast<double>(seen_.size()));
}

Deduplicate::Relationship Deduplicate::judge(const Row& row, Session& session) {
  const auto fail = [this](std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return failure;
  };
  if (row.error.size > 0) return fail(std::string(view(row.error)));
  key_.clear();
  for (std::size_t i = 0; i < settings_.key.size(); ++i) {
    if (row.values[i].type == ValueType::null) return fail("the key " + settings_.key[i] + " is NULL");
    append_value(key_, row.values[i]);
  }
  std::int64_t version = 0;
  if (settings_.version) {
    const auto number = whole(row.values[settings_.key.size()]);
    if (!number) return fail("the version " + *settings_.version + " is no whole number of 64 bits");
    version = *number;
  }
  switch (seen_.look(session, key_, version)) {
    case SeenKeys::Verdict::newer:
      updates_metric_.add(1);
      return success;
    case SeenKeys::Verdict::fresh:
      return success;
    case SeenKeys::Verdict::repeated:
      break;
  }
  duplicates_metric_.add(1);
  return duplicate;
}

void Deduplicate::send(FlowFile file, Session& session) {
  const auto same = [this](const Verdict& verdict) { return verdict.relationship == verdicts_[0].relationship; };
  if (verdicts_.empty()) {
    session.transfer(file, success);  // no records: nothing repeats
  } else if (std::all_of(verdicts_.begin(), verdicts_.end(), same)) {
    if (verdicts_[0].relationship == failure) {
      session.reject(file, why_);
    } else {
      session.transfer(file, verdicts_[0].relationship);
    }
  } else {
    for (const auto relationship : {success, duplicate, failure}) {
      std::optional<RecordWriter> part;
      for (const auto& verdict : verdicts_) {
        if (verdict.relationship != relationship) continue;
        if (!part) part.emplace(session, session.create(file), form_);
        part->write(verdict.json);
      }
      if (!part) continue;
      part->finish();
      if (relationship == failure) {
        session.reject(part->file(), why_);
      } else {
        session.transfer(part->file(), relationship);
      }
    }
  }
  verdicts_.clear();
  copies_.clear();
  why_.clear();
}

}  // namespace weir::json
