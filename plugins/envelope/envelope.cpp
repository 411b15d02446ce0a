#include "envelope.h"

#include <set>
#include <string_view>

namespace weir::envelope {

namespace {

constexpr std::uint32_t kSuccess = 0;
constexpr std::string_view kBase64Suffix = "_base64";

/// The text as a JSON string, its bytes beyond ASCII as they are (RFC 8259, section 7).
void append_string(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to += {'\\', c};
    } else if (c == '\n') {
      to += "\\n";
    } else if (byte < 0x20) {
      to += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      to += c;
    }
  }
  to += '"';
}

/// RFC 4648, section 4.
void append_base64(std::string& to, std::string_view bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  to += '"';
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[i + k])) : 0U;
    };
    const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    to += kLetters[group >> 18];
    to += kLetters[group >> 12 & 63];
    to += i + 1 < bytes.size() ? kLetters[group >> 6 & 63] : '=';
    to += i + 2 < bytes.size() ? kLetters[group & 63] : '=';
  }
  to += '"';
}

}  // namespace

const Spec<EnvelopeSettings>& envelope_spec() {
  static const auto spec =
      Spec<EnvelopeSettings>("Envelope", "Makes one JSON record of a FlowFile, whatever its content: for dead letters.")
          .description(
              "The record holds the attributes that `fields` names, as text (null where the FlowFile has none), and "
              "the content in the field `content`. Where one of them is not UTF-8, the field's name gets the suffix "
              "`_base64` "
              "and its value is that. "
              "Nothing of the content is interpreted or lost, so garbage can be kept, searched and sent again.")
          .example(
              "type: Envelope\n"
              "fields: {reason: error.message, refused_by: error.processor, topic: mqtt.topic}\n")
          .property("fields", &EnvelopeSettings::fields,
                    {.help = "Fields of the record, and the attribute that each holds.",
                     .example = "{reason: error.message}"})
          .property("content", &EnvelopeSettings::content, {.help = "The field that holds the content."})
          .property("max_size", &EnvelopeSettings::max_size,
                    {.help = "Larger content goes to `failure`, unchanged.",
                     .unit = Unit::bytes,
                     .min = 1,
                     .max = 512.0 * MiB})
          .relationship({"success", "The record."})
          .relationship({"failure", "Content larger than `max_size`, unchanged."})
          .reads("*", "Those that `fields` names.");
  return spec;
}

Envelope::Envelope(EnvelopeSettings settings) : settings_(std::move(settings)) {
  std::set<std::string> names = {settings_.content, settings_.content + std::string(kBase64Suffix)};
  for (const auto& [field, attribute] : settings_.fields) {
    if (field.empty()) throw Misconfigured("fields: a field needs a name");
    if (!names.insert(field).second)
      throw Misconfigured("fields: '" + field + "' is the content's field: name one of the two otherwise");
  }
}

/// Appends a member and a comma.
void Envelope::add(std::string_view name, std::optional<std::string_view> value) {
  const auto at = record_.size();
  append_string(record_, name);
  record_ += ':';
  value ? append_string(record_, *value) : static_cast<void>(record_ += "null");
  record_ += '}';
  if (!checker_.read(record_)) {  // all but the value's UTF-8 is right by construction
    record_.resize(at);
    append_string(record_, std::string(name) + std::string(kBase64Suffix));
    record_ += ':';
    append_base64(record_, *value);
    record_ += '}';
  }
  record_.back() = ',';
}

void Envelope::process(FlowFile file, Session& session) {
  if (file.size() > settings_.max_size)
    throw Rejected("the content has " + format_bytes(file.size()) + ", more than max_size, " +
                   format_bytes(settings_.max_size));
  record_ = "{";
  for (const auto& [field, attribute] : settings_.fields) add(field, file.attribute(attribute));
  add(settings_.content, file.content());
  record_.back() = '}';
  const auto made = session.create(file);
  session.append(made, record_);
  session.transfer(made, kSuccess);
}

}  // namespace weir::envelope
