#pragma once
// The properties of a processor: from YAML and the type's spec to validated settings in canonical spelling.

#include <boost/property_tree/ptree.hpp>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "flow/parameters.h"
#include "flow/yaml.h"
#include "weir/abi.h"

namespace weir::flow {

/// Settings as a plugin sees them. Borrows the tree.
class SettingsNode final : public abi::Node {
 public:
  explicit SettingsNode(const boost::property_tree::ptree& tree);
  /// A processor's, with the flow's `delivery` beside its properties where that is exactly_once.
  SettingsNode(const boost::property_tree::ptree& tree, bool exactly_once);
  SettingsNode(const SettingsNode&) = delete;
  SettingsNode& operator=(const SettingsNode&) = delete;

  abi::Text value() const override { return {tree_.data().data(), tree_.data().size()}; }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(keys_.size()); }
  abi::Text key(std::uint32_t index) const override;
  const abi::Node* child(std::uint32_t index) const override;

 private:
  const boost::property_tree::ptree& tree_;
  std::vector<const std::string*> keys_;
  std::deque<SettingsNode> children_;
};

/// SQL that stands in a property, to be compiled once it is known which record it reads.
struct SqlUse {
  const Node* node = nullptr;  ///< where it stands; lives as long as the YAML tree
  SqlText sql;
  abi::Kind kind = abi::Kind::expression;  ///< field, expression, select or templated
  abi::Encoding encoding = abi::Encoding::none;
  std::string property;  ///< "columns.mean", for messages
};

class SettingsReader {
 public:
  SettingsReader(const Reporter& report, const Parameters& parameters, std::vector<SqlUse>& uses)
      : report_(report), parameters_(parameters), uses_(uses) {}

  /// Reads the properties of a processor. `at` is its name, where missing properties are reported.
  boost::property_tree::ptree read(const abi::Spec& spec, const Node& processor, const Node& at) const;

 private:
  using Tree = boost::property_tree::ptree;

  Tree object(const abi::Property* fields, std::uint32_t count, const Node& node, const Node& at,
              const std::string& owner, const std::string& path, std::span<const std::string> reserved) const;
  Tree value(const abi::Property& property, abi::Kind kind, const Node& node, const std::string& path) const;
  std::string scalar(const abi::Property& property, abi::Kind kind, const Node& node, const std::string& path) const;
  std::string statement(const abi::Property& property, abi::Kind kind, const Node& node, const std::string& path) const;
  Tree any(const Node& node) const;
  void check_required(const abi::Property* fields, std::uint32_t count, const Node& node, const Node& at,
                      const std::string& owner) const;

  const Reporter& report_;
  const Parameters& parameters_;
  std::vector<SqlUse>& uses_;
};

/// A copy of settings in which what the spec calls secret, every one of `secrets`, and a password in a URL, is "***".
boost::property_tree::ptree masked(const boost::property_tree::ptree& settings, const abi::Spec& spec,
                                   const std::vector<std::string>& secrets);
/// A copy of text in which every one of `secrets` is "***"; of two that begin alike the longer stands first.
std::string masked(std::string text, const std::vector<std::string>& secrets);

}  // namespace weir::flow
