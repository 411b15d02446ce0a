#include "flow/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include "flow/yaml_hint.h"

namespace weir::flow {

namespace {

// Bounds that no flow file of a person meets, and that keep a hostile one from using up stack or memory.
constexpr std::size_t kDeepest = 64;
constexpr std::size_t kLargestTree = 100'000;  // nodes, aliases expanded

struct Refused : std::runtime_error {
  Refused(std::size_t at, const std::string& message) : std::runtime_error(message), offset(at) {}
  std::size_t offset;
};

/// Past `&anchor`, `!tag`, white space and comments: to the value itself.
std::size_t skip_properties(std::string_view text, std::size_t i) {
  const auto until = [&](std::string_view stop) { i = std::min(text.find_first_of(stop, i), text.size()); };
  if (i >= text.size() || (text[i] != '&' && text[i] != '!')) return i;
  const auto start = i;
  while (i < text.size()) {
    if (text[i] == '&' || text[i] == '!') {
      until(" \t\r\n,[]{}");
    } else if (text[i] == '#') {
      until("\n");
    } else if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
      ++i;
    } else {
      return i;
    }
  }
  return start;
}

/// Builds the tree from the parser's events.
class Builder final : public YAML::EventHandler {
 public:
  Builder(const Source& source, const Reporter& report) : source_(source), report_(report) {}

  Node take() { return std::move(root_); }
  std::size_t start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = offset(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(make(Node::Type::null, mark), anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Type::scalar, mark);
    check_tag(tag, node);
    node.plain = tag == "?" || tag.empty();
    node.text = value;
    leaf(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = offset(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused(at, "this alias stands inside the value that it names");
    auto copy = found->second;
    relabel(copy, at);
    add(std::move(copy));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Type::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Type::map, mark, tag, anchor);
  }
  void OnMapEnd() override {
    finish_map(open_.back().node);
    close();
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    bool key_next = true;
  };

  std::size_t offset(const YAML::Mark& mark) const { return source_.offset(mark.line, mark.column); }

  Node make(Node::Type type, const YAML::Mark& mark) {
    Node node;
    node.type = type;
    node.begin = type == Node::Type::null ? offset(mark) : skip_properties(source_.text(), offset(mark));
    count(node.begin);
    return node;
  }

  void count(std::size_t at) {
    if (++nodes_ > kLargestTree)
      throw Refused(at, fmt::format("this file holds more than {} values once its aliases are expanded", kLargestTree));
  }

  void check_tag(const std::string& tag, const Node& node) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    report_.error(node, fmt::format("the tag '{}' is not allowed: a property's type comes from its processor", tag),
                  "the value without a tag");
  }

  void open(Node::Type type, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    auto node = make(type, mark);
    check_tag(tag, node);
    if (open_.size() >= kDeepest)
      throw Refused(node.begin, fmt::format("is nested more than {} levels deep", kDeepest));
    open_.push_back({std::move(node), anchor});
  }

  void close() {
    auto done = std::move(open_.back());
    open_.pop_back();
    leaf(std::move(done.node), done.anchor);
  }

  void leaf(Node node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    add(std::move(node));
  }

  void add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& parent = open_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.key_next) {
      parent.node.members.push_back({std::move(node), {}});
      parent.key_next = false;
    } else {
      auto& member = parent.node.members.back();
      // The parser places a missing value at whatever comes next.
      if (node.is_null() && node.via == Node::kNowhere) node.begin = member.key.begin;
      member.value = std::move(node);
      parent.key_next = true;
    }
  }

  void relabel(Node& node, std::size_t via) {
    count(via);
    node.via = via;
    for (auto& item : node.items) relabel(item, via);
    for (auto& member : node.members) {
      relabel(member.key, via);
      relabel(member.value, via);
    }
  }

  /// Refuses keys that are no text or stand twice, and merges `<<`.
  void finish_map(Node& map) {
    std::vector<Member> kept;
    std::unordered_map<std::string, std::size_t> seen;
    std::vector<Node> merged;
    for (auto& member : map.members) {
      if (!member.key.is_scalar()) {
        report_.error(member.key, fmt::format("a key has to be a name, not {}", describe(member.key)));
      } else if (member.key.plain && member.key.text == "<<") {
        merged.push_back(std::move(member.value));
      } else if (const auto [first, fresh] = seen.emplace(member.key.text, member.key.begin); !fresh) {
        report_.error(member.key, fmt::format("the key '{}' stands twice in this map (first on line {})",
                                              member.key.text, source_.mark(first->second).line));
      } else {
        kept.push_back(std::move(member));
      }
    }
    for (auto& node : merged) merge(node, kept, seen);
    map.members = std::move(kept);
  }

  void merge(Node& from, std::vector<Member>& into, std::unordered_map<std::string, std::size_t>& seen) {
    if (from.is_list()) {
      for (auto& item : from.items) merge(item, into, seen);
    } else if (from.is_map()) {
      // A key that the map has itself wins, as does an earlier merge.
      for (auto& member : from.members) {
        if (seen.emplace(member.key.text, member.key.begin).second) into.push_back(std::move(member));
      }
    } else {
      report_.error(from, fmt::format("'<<' merges maps, and this is {}", describe(from)), "an alias of a map");
    }
  }

  const Source& source_;
  const Reporter& report_;
  Node root_;
  std::size_t start_ = 0;
  std::size_t nodes_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const auto& member : members) {
    if (member.key.text == key) return &member.value;
  }
  return nullptr;
}

std::string describe(const Node& node) {
  switch (node.type) {
    case Node::Type::null:
      return "nothing";
    case Node::Type::list:
      return "a list";
    case Node::Type::map:
      return "a map";
    case Node::Type::scalar:
      break;
  }
  constexpr std::size_t kShown = 60;
  auto shown = node.text.substr(0, kShown);
  while (shown.size() < node.text.size() && !shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80U) != 0)
    shown.pop_back();  // no half of a character
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return fmt::format("'{}{}'", shown, shown.size() < node.text.size() ? "…" : "");
}

std::optional<Node> parse_yaml(const Source& source, std::vector<Problem>& problems) {
  const Reporter report(source, problems);
  if (const auto bad = find_bad_byte(source.text()); bad != std::string::npos) {
    const auto byte = static_cast<unsigned char>(source.text()[bad]);
    report.error_at(bad, fmt::format("the byte 0x{:02X} is {}", byte, byte < 0x80 ? "a control character" : "no UTF-8"),
                    "a text file in UTF-8");
    return std::nullopt;
  }
  try {
    std::istringstream in(source.text());
    YAML::Parser parser(in);
    Builder builder(source, report);
    if (!parser.HandleNextDocument(builder)) {
      report.error_at(0, "this file is empty", "a flow: at least 'flow: NAME' and 'processors:'");
      return std::nullopt;
    }
    Builder second(source, report);
    if (parser.HandleNextDocument(second)) {
      report.error_at(second.start(), "a second document begins here", "one flow in a file");
      return std::nullopt;
    }
    return builder.take();
  } catch (const YAML::Exception& error) {
    const auto at = source.offset(error.mark.line, error.mark.column);
    report.error_at(at, fmt::format("this is no valid YAML: {}", error.msg), yaml_hint(source, at, error.msg));
  } catch (const Refused& error) {
    report.error_at(error.offset, error.what());
  }
  return std::nullopt;
}

}  // namespace weir::flow
