#include "update_attributes.h"

#include <algorithm>

namespace weir::standard {

namespace {

constexpr std::uint32_t kSuccess = 0;

}  // namespace

const Spec<UpdateAttributesSettings>& update_attributes_spec() {
  static const auto spec =
      Spec<UpdateAttributesSettings>("UpdateAttributes", "Sets and removes attributes; the content is not touched.")
          .description(
              "The values of `set` are texts with `$(SQL)`, computed once a FlowFile from its attributes, "
              "`attr('name')`, and the fields of its (first) record. All of them see the attributes as they came in; "
              "then `remove` and `remove_matching` take away, then `set` adds. So `remove_matching: \".*\"` leaves "
              "just what is set.\n\n"
              "Where a value is NULL or cannot be computed, the FlowFile goes to `failure` as it came. Texts that "
              "read only attributes take any content, JSON or not.")
          .example(
              "type: UpdateAttributes\n"
              "set:\n"
              "  site: north\n"
              "  sensor: $(sensor_id)\n"
              "  level: $(attr('mqtt.topic.2'))/$(coalesce(attr('unit'), 'none'))\n"
              "remove: [mqtt.retain]\n"
              "remove_matching: http\\..*\n")
          .property("set", &UpdateAttributesSettings::set,
                    {.help = "Attributes to set, with their values.",
                     .example = "{sensor: \"$(sensor_id)\"}",
                     .kind = Kind::templated})
          .property("remove", &UpdateAttributesSettings::remove,
                    {.help = "Names of attributes to remove.", .example = "[mqtt.retain]"})
          .property("remove_matching", &UpdateAttributesSettings::remove_matching,
                    {.help = "A regular expression (RE2); attributes whose whole name matches are removed.",
                     .example = "http\\..*"})
          .relationship({"success", "With its new attributes."})
          .relationship({"failure", "A value could not be computed; unchanged."})
          .reads("*", "Those that `set` names by attr().")
          .writes("*", "Those of `set`.")
          .per_flowfile()
          .keeps_record();
  return spec;
}

UpdateAttributes::UpdateAttributes(UpdateAttributesSettings settings) : settings_(std::move(settings)) {
  if (settings_.set.empty() && settings_.remove.empty() && !settings_.remove_matching)
    throw Misconfigured("nothing to do: give it set, remove or remove_matching");
  for (const auto& [name, text] : settings_.set) {
    if (name.empty()) throw Misconfigured("set: an attribute needs a name");
    templated_.push_back(text.find("$(") != std::string::npos);
  }
  if (!settings_.remove_matching) return;
  remove_matching_ = std::make_unique<re2::RE2>(*settings_.remove_matching, re2::RE2::Quiet);
  if (!remove_matching_->ok())
    throw Misconfigured("remove_matching is no regular expression: " + remove_matching_->error());
}

void UpdateAttributes::start(Context& context) {
  Query query(context);
  bool computed = false;
  for (std::size_t i = 0; i < settings_.set.size(); ++i) {
    if (!templated_[i]) continue;
    query.templated(settings_.set[i].second);
    computed = true;
  }
  if (computed) values_ = query.per_flowfile().prepare();
}

void UpdateAttributes::step(Batch batch, Session& session) {
  if (!values_) {
    for (auto file : batch) update(file, session, nullptr);
    everywhere_to_success_.resize(std::max<std::size_t>(everywhere_to_success_.size(), batch.size()), kSuccess);
    return session.transfer_each(everywhere_to_success_);
  }
  values_.run(session, batch, [&](const Row& row) {
    const auto file = batch[row.input];
    if (row.error.size > 0) return session.reject(file, view(row.error));
    update(file, session, row.values);
    session.transfer(file, kSuccess);
  });
}

void UpdateAttributes::update(FlowFile file, Session& session, const Value* computed) {
  remove(file, session);
  for (std::size_t i = 0; i < settings_.set.size(); ++i)
    session.set(file, settings_.set[i].first, templated_[i] ? view((computed++)->text) : settings_.set[i].second);
}

void UpdateAttributes::remove(FlowFile file, Session& session) {
  for (const auto& name : settings_.remove) session.erase(file, name);
  if (!remove_matching_) return;
  // Erasing moves the attributes that are being looked at, so their names are kept first.
  names_.clear();
  for (const auto& attribute : file.attributes()) {
    const auto name = view(attribute.name);
    if (re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *remove_matching_)) names_.emplace_back(name);
  }
  for (const auto& name : names_) session.erase(file, name);
}

}  // namespace weir::standard
