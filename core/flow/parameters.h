#pragma once
// What `${…}` and `:name` in a flow file stand for, and putting it there: once, after YAML is parsed.
//
//   ${name}               a declared parameter
//   ${env:NAME:-default}  an environment variable
//   ${secret:NAME}        a secret, from the environment or a file; never shown
//   $${                   a literal ${
//
// Inside SQL a parameter is a value, `:name`, and never text: it cannot change what the statement says.

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flow/yaml.h"

namespace weir::flow {

/// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// Where values that are not in the flow file come from.
struct Surroundings {
  std::map<std::string, std::string> parameters;  ///< --param
  Environment environment;
  std::filesystem::path secrets_folder;  ///< a file a secret, named as the secret; may be empty
};

/// A scalar with everything substituted.
struct Text {
  std::string value;
  bool secret = false;       ///< holds a secret: messages show what the author wrote instead
  bool substituted = false;  ///< is not simply what the author wrote
};

/// SQL, or text with $(SQL), in which parameters stand as literals, and where each part of it came from.
struct SqlText {
  std::string value;
  std::vector<std::pair<std::size_t, std::size_t>> origins;  ///< offset in value → in the scalar; ascending
  std::optional<std::size_t> secret = {};                    ///< where the first one stands in the scalar

  /// The offset in the author's scalar that an offset in `value` came from.
  std::size_t origin(std::size_t offset) const;
};

class Parameters {
 public:
  enum class Type { text, number, boolean, null };

  Parameters(const Reporter& report, const Surroundings& surroundings) : report_(report), surroundings_(surroundings) {}

  /// Reads the flow's `parameters:`.
  void declare(const Node& parameters);

  /// Nothing if something in it is unknown; that is then reported.
  std::optional<Text> text(const Node& scalar) const;
  std::optional<SqlText> sql(const Node& scalar) const;
  std::optional<SqlText> templated(const Node& scalar) const;

  /// How often something was asked for whose parameter has no value, which is reported where it is declared and not
  /// again.
  std::size_t missed() const { return missed_; }
  bool has(const std::string& name) const { return declared_.contains(name); }
  /// The values of all secrets that were substituted.
  const std::set<std::string>& secrets() const { return secrets_; }
  void warn_of_unused() const;

 private:
  struct Declared {
    Text text;
    Type type = Type::text;
    bool known = false;  ///< has a value
    Node name;
    mutable bool used = false;
  };
  struct Reference {
    std::string inside;  // between ${ and }
    std::size_t end;     // past the }
  };

  void declare_one(const Member& member);
  std::optional<Text> expand(const Node& scalar, bool parameters_allowed) const;
  std::optional<Text> resolve(const Node& scalar, std::size_t at, const std::string& inside,
                              bool parameters_allowed) const;
  std::optional<Text> environment(const Node& scalar, std::size_t at, const std::string& rest) const;
  std::optional<Text> secret(const Node& scalar, std::size_t at, const std::string& name) const;
  std::optional<std::string> literal(const Node& scalar, std::size_t at, const std::string& inside) const;
  bool append_sql(const Node& scalar, std::size_t begin, std::size_t end, SqlText& to) const;
  bool append_code(const Node& scalar, std::size_t begin, std::size_t end, SqlText& to) const;
  bool refuse_references(const Node& scalar, std::size_t begin, std::size_t end) const;
  std::optional<Reference> reference(const Node& scalar, std::size_t at) const;
  std::vector<std::string> names() const;

  const Reporter& report_;
  const Surroundings& surroundings_;
  std::map<std::string, Declared> declared_;
  mutable std::set<std::string> secrets_;
  mutable std::size_t missed_ = 0;
};

}  // namespace weir::flow
