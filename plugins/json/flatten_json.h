#pragma once
// FlattenJson: nested records as flat ones, and arrays in them as records of their own.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flat_record.h"
#include "member_path.h"
#include "weir/json.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::json {

struct FlattenChild {
  std::string path;
  std::vector<std::pair<std::string, std::string>> keys;
  std::optional<std::string> index;

  static const Fields<FlattenChild>& fields();
};

struct FlattenJsonSettings {
  std::string separator = "_";
  std::string arrays = "keep";
  std::optional<std::string> explode;
  std::uint32_t max_depth = 0;
  std::string collisions = "fail";
  std::vector<std::pair<std::string, FlattenChild>> children;
};

const Spec<FlattenJsonSettings>& flatten_json_spec();

class FlattenJson final : public Processor {
 public:
  explicit FlattenJson(FlattenJsonSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  /// What is special on the way to a path that children or explode name.
  struct Node {
    std::map<std::string, std::unique_ptr<Node>> next;
    bool taken = false;       ///< its value is a child's: it is left out
    std::size_t explode = 0;  ///< which step of explode leads here, from 1; 0: none
  };
  struct Child {
    std::string relationship;
    MemberPath path;
    std::vector<std::pair<std::string, MemberPath>> keys;
    std::optional<std::string> index;
    const Node* node = nullptr;
  };

  Node& node_at(const MemberPath& path);
  void flatten_record(std::string_view record);
  void add_child(const Child& child, std::uint32_t relationship, const Chain& chain, std::size_t index);
  void add_members(std::string_view object, const std::string& prefix, const Node* node, std::uint32_t depth);
  void add_value(std::string_view token, const std::string& name, const Node* node, std::uint32_t depth);
  void add_field(const std::string& name, std::string_view token);

  FlattenJsonSettings settings_;
  Node root_;
  MemberPath explode_;
  std::vector<Child> children_;
  Statement statement_;

  // Of the record at hand.
  JsonObject object_;
  FlatRecord flat_;
  const Chain* exploded_ = nullptr;
  std::vector<std::pair<std::uint32_t, std::string>> made_;  ///< by relationship
  std::string number_;                                       ///< the index of a child
};

}  // namespace weir::json
