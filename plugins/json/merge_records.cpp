#include "merge_records.h"

#include <algorithm>
#include <charconv>

#include "content_pieces.h"
#include "json_scanner.h"

namespace weir::json {

namespace {

constexpr std::uint32_t kSuccess = 0;

std::uint64_t number_attribute(FlowFile file, std::string_view name) {
  const auto text = file.attribute(name);
  if (!text) throw Rejected("no attribute " + std::string(name) + ": it is no fragment of anything");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size())
    throw Rejected(std::string(name) + " is '" + std::string(*text) + "', not a number");
  return number;
}

/// Removes what is not the same on all of them.
void keep_common_attributes(Session& session, FlowFile merged, std::span<const FlowFile> parts) {
  std::vector<std::string> differing;
  for (const auto& attribute : parts[0].attributes()) {
    const bool common = std::all_of(parts.begin() + 1, parts.end(), [&](const FlowFile& part) {
      if (part.attributes().data() == parts[0].attributes().data()) return true;  // FlowFiles share what is the same
      const auto value = part.attribute(view(attribute.name));
      return value && *value == view(attribute.value);
    });
    if (!common) differing.emplace_back(view(attribute.name));
  }
  for (const auto& name : differing) session.erase(merged, name);
}

}  // namespace

const Spec<MergeRecordsSettings>& merge_records_spec() {
  static const auto spec =
      Spec<MergeRecordsSettings>("MergeRecords", "Joins FlowFiles: many small ones into fewer large ones.")
          .description(
              "FlowFiles with the same `key` fill a bin. A bin is merged when it holds `max_count` records or "
              "`max_bytes`, before one more would exceed them, when it is `max_age` old, and when more than `max_bins` "
              "keys are open (the oldest bin then goes). A FlowFile is never divided: one that is larger than the "
              "bounds makes a bin of its own.\n\n"
              "`format: ndjson` and `array` take content with a JSON object, a JSON array or newline-delimited JSON, "
              "and check all of it; what is no JSON goes to `failure`. Records keep their bytes, except that line ends "
              "between the tokens of one are removed where it has to fit on a line. `as_is` joins any content.\n\n"
              "`mode: defragment` puts together again what SplitJson (or NiFi) took apart: all fragments of one "
              "`fragment.identifier`, in the order of `fragment.index`, once `fragment.count` are there. Fragments "
              "that "
              "are still incomplete after `max_age`, or at the end, go to `failure`.\n\n"
              "What waits in a bin is held durably, and belongs to no queue's back pressure. After a crash it is "
              "queued "
              "again and the bins refill; `max_age` then begins anew. The merged FlowFile keeps the attributes that "
              "all "
              "its parts share, and its lineage names each of them (JOIN).")
          .example("type: MergeRecords\nkey: $(sensor_id)\nmax_count: 10000\nmax_age: 30s\nformat: ndjson\n")
          .property("mode", &MergeRecordsSettings::mode,
                    {.help = "`bin`: as they come. `defragment`: as the fragment.* attributes say.",
                     .choices = {"bin", "defragment"}})
          .property("key", &MergeRecordsSettings::key,
                    {.help = "FlowFiles with the same are merged; text, computed once a FlowFile from its attributes "
                             "and (first) record. Unset: all are.",
                     .example = "$(attr('mqtt.topic'))",
                     .kind = Kind::templated})
          .property("max_count", &MergeRecordsSettings::max_count,
                    {.help = "Records in a bin (content that is no JSON counts as one); 0: no bound."})
          .property("max_bytes", &MergeRecordsSettings::max_bytes,
                    {.help = "Bytes of content in a bin; 0B: no bound.", .unit = Unit::bytes})
          .property("max_age", &MergeRecordsSettings::max_age,
                    {.help = "How long a bin may wait to fill, by the flow's clock; 0s: for ever."})
          .property("max_bins", &MergeRecordsSettings::max_bins,
                    {.help = "How many bins may be open.", .min = 1, .max = 100'000})
          .property("format", &MergeRecordsSettings::format,
                    {.help = "What the parts become: lines, the elements of one array, or what they are.",
                     .choices = {"ndjson", "array", "as_is"}})
          .property("header", &MergeRecordsSettings::header, {.help = "Written first. Only with `as_is`."})
          .property("footer", &MergeRecordsSettings::footer, {.help = "Written last. Only with `as_is`."})
          .property("demarcator", &MergeRecordsSettings::demarcator,
                    {.help = "Written between parts. Only with `as_is`.", .example = "\"\\n\""})
          .relationship({"success", "What was merged."})
          .relationship({"failure", "No JSON, a key that cannot be computed, or a fragment that stayed alone."})
          .reads("fragment.identifier", "In defragment mode: which belong together.")
          .reads("fragment.index", "In defragment mode: their order.")
          .reads("fragment.count", "In defragment mode: how many there are.")
          .reads("segment.original.filename", "In defragment mode: becomes the filename.")
          .writes("merge.count", "How many FlowFiles were merged.")
          .writes("merge.reason", "Why now: max_count, max_bytes, max_age, max_bins, defragmented or end.")
          .writes("merge.age", "Milliseconds from the first FlowFile of the bin to the merge.")
          .writes("filename", "In defragment mode: the original's.")
          .state("None of its own: what waits in bins is held.")
          .per_flowfile()
          .keeps_record();
  return spec;
}

MergeRecords::MergeRecords(MergeRecordsSettings settings)
    : settings_(std::move(settings)), defragment_(settings_.mode == "defragment") {
  if (settings_.format != "as_is" &&
      !(settings_.header.empty() && settings_.footer.empty() && settings_.demarcator.empty()))
    throw Misconfigured("header, footer and demarcator need format: as_is; " + settings_.format + " has its own");
  if (defragment_ && settings_.key)
    throw Misconfigured("key does not go with mode: defragment, where fragment.identifier is the key");
  if (!defragment_ && settings_.max_count == 0 && settings_.max_bytes == 0 && settings_.max_age.count() == 0)
    throw Misconfigured("max_count, max_bytes and max_age are all unbounded: nothing would ever be merged");
}

void MergeRecords::start(Context& context) {
  if (settings_.key) key_ = Query(context).templated(*settings_.key).per_flowfile().prepare();
  bins_metric_ = context.gauge("merge_open_bins", "Bins that are filling.");
  merged_metric_ = context.counter("merge_merged", "FlowFiles that became part of a merged one.");
}

void MergeRecords::step(Batch batch, Session& session) {
  begin(session);
  if (!key_) {
    for (auto file : batch) admit(file, abi::kNone, {}, session);
  } else {
    key_.run(session, batch, [&](const Row& row) {
      const auto file = batch[row.input];
      if (row.error.size > 0) return session.reject(file, view(row.error));
      admit(file, abi::kNone, view(row.values[0].text), session);
    });
  }
  end(session);
}

void MergeRecords::tick(Session& session) {
  begin(session);
  end(session);
}

void MergeRecords::finish(Session& session) {
  begin(session);
  while (!bins_.empty()) close(bins_.oldest(), "end", session);
  end(session);
}

void MergeRecords::begin(Session& session) {
  if (bins_.begin(session)) return;
  for (std::uint32_t i = 0; i < session.held_count(); ++i) {
    const auto file = session.take_held(i);
    std::string key;
    if (key_) key_.run(session, file, [&](const Row& row) { key = view(row.values[0].text); });
    admit(file, i, key, session);
  }
}

void MergeRecords::end(Session& session) {
  const auto age = [&](const Bin& bin) { return session.now() - bin.opened; };
  if (settings_.max_age.count() > 0) {
    // Below zero: the clock was set back since, and how old it is, nobody knows.
    const auto is_due = [&](const Bin& bin) { return age(bin) >= settings_.max_age.count() || age(bin) < 0; };
    while (!bins_.empty() && is_due(*bins_.oldest())) close(bins_.oldest(), "max_age", session);
    if (!bins_.empty()) session.tick_at(bins_.oldest()->opened + settings_.max_age.count());
  }
  bins_.end(session);
  bins_metric_.set(static_cast<double>(bins_.size()));
}

void MergeRecords::admit(FlowFile file, std::uint32_t held, std::string_view key, Session& session) {
  try {
    if (defragment_) return admit_fragment(file, held, session);
    Member member{file.handle(), held, file.sequence(), 0, {file.records(), false, false}};
    if (settings_.format != "as_is") member.content = read_records(session, file);
    auto bin = bins_.find(key);
    if (bin != bins_.none()) {
      const bool too_many = settings_.max_count != 0 && bin->records + member.content.records > settings_.max_count;
      const bool too_large = settings_.max_bytes != 0 && bin->bytes + file.size() > settings_.max_bytes;
      if (too_many || too_large) {
        close(bin, too_many ? "max_count" : "max_bytes", session);
        bin = bins_.none();
      }
    }
    if (bin == bins_.none()) bin = open(key, session);
    add(bin, member, file, session);
    if (settings_.max_count != 0 && bin->records >= settings_.max_count) return close(bin, "max_count", session);
    if (settings_.max_bytes != 0 && bin->bytes >= settings_.max_bytes) return close(bin, "max_bytes", session);
  } catch (const InvalidJson& error) {
    session.reject(file, error.what());
  } catch (const Rejected& error) {
    session.reject(file, error.what());
  }
}

void MergeRecords::admit_fragment(FlowFile file, std::uint32_t held, Session& session) {
  const auto identifier = file.attribute("fragment.identifier");
  if (!identifier) throw Rejected("no attribute fragment.identifier: it is no fragment of anything");
  Member member{
      file.handle(), held, file.sequence(), number_attribute(file, "fragment.index"), {file.records(), false, false}};
  const auto count = number_attribute(file, "fragment.count");
  if (settings_.format != "as_is") member.content = read_records(session, file);
  auto bin = bins_.find(*identifier);
  if (bin == bins_.none()) {
    if (count == 0) throw Rejected("fragment.count is 0, but here is a fragment");
    bin = open(*identifier, session);
    bin->fragment_count = count;
  }
  if (count != bin->fragment_count)
    throw Rejected("fragment.count is " + std::to_string(count) + ", but other fragments of " + bin->key + " say " +
                   std::to_string(bin->fragment_count));
  if (!bin->fragments.insert(member.fragment).second)
    throw Rejected("fragment " + std::to_string(member.fragment) + " of " + bin->key + " is already there");
  add(bin, member, file, session);
  if (bin->members.size() == bin->fragment_count) close(bin, "defragmented", session);
}

void MergeRecords::add(Bins::Iterator bin, Member member, FlowFile file, Session&) {
  bin->bytes += file.size();
  bin->records += member.content.records;
  bin->members.push_back(member);
}

Bins::Iterator MergeRecords::open(std::string_view key, Session& session) {
  while (bins_.size() >= settings_.max_bins) close(bins_.oldest(), "max_bins", session);
  return bins_.open(key, session.now());
}

void MergeRecords::close(Bins::Iterator at, std::string_view reason, Session& session) {
  auto bin = bins_.close(at);
  if (defragment_ && reason != "defragmented") return give_up(bin, reason, session);
  if (defragment_)
    std::sort(bin.members.begin(), bin.members.end(),
              [](const Member& a, const Member& b) { return a.fragment < b.fragment; });
  merge(bin, reason, session);
}

void MergeRecords::merge(const Bin& bin, std::string_view reason, Session& session) {
  std::vector<FlowFile> parts;
  parts.reserve(bin.members.size());
  for (const auto& member : bin.members) parts.push_back(bins_.take(session, member));
  const auto merged = session.create(parts);
  keep_common_attributes(session, merged, parts);
  if (defragment_) {
    for (const auto* name : {"fragment.identifier", "fragment.index", "fragment.count", "fragment.name"})
      session.erase(merged, name);
    if (const auto filename = parts[0].attribute("segment.original.filename"))
      session.set(merged, "filename", std::string(*filename));
    session.erase(merged, "segment.original.filename");
  }
  session.set(merged, "merge.count", std::to_string(parts.size()));
  session.set(merged, "merge.reason", reason);
  session.set(merged, "merge.age", std::to_string(std::max<std::int64_t>(0, session.now() - bin.opened) / 1'000'000));
  write_content(merged, bin, parts, session);
  session.records(merged, static_cast<std::uint32_t>(std::min<std::uint64_t>(bin.records, 0xffffffffU)));
  session.transfer(merged, kSuccess);
  merged_metric_.add(static_cast<double>(parts.size()));
}

void MergeRecords::give_up(const Bin& bin, std::string_view reason, Session& session) {
  const auto message = "only " + std::to_string(bin.members.size()) + " of " + std::to_string(bin.fragment_count) +
                       " fragments of " + bin.key + " came (" + std::string(reason) + ")";
  for (const auto& member : bin.members) session.reject(bins_.take(session, member), message);
}

void MergeRecords::write_content(FlowFile to, const Bin& bin, std::span<const FlowFile> parts, Session& session) {
  if (settings_.format == "ndjson") {
    for (std::size_t i = 0; i < parts.size(); ++i) append_lines(session, to, parts[i], bin.members[i].content);
    return;
  }
  if (settings_.format == "array") {
    bool first = true;
    session.append(to, "[");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      append_elements(session, to, parts[i], bin.members[i].content, first);
      first = first && bin.members[i].content.records == 0;
    }
    return session.append(to, "]");
  }
  session.append(to, settings_.header);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) session.append(to, settings_.demarcator);
    ContentPieces(session, parts[i]).read(0, [&](std::string_view piece) {
      for (auto rest = piece; !rest.empty();) {  // no larger than what can go to a file piece by piece
        const auto part = rest.substr(0, ContentPieces::kPiece);
        session.append(to, part);
        rest.remove_prefix(part.size());
      }
      return piece.size();
    });
  }
  session.append(to, settings_.footer);
}

}  // namespace weir::json
