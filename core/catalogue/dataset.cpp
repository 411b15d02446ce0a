#include "catalogue/dataset.h"

#include <dlfcn.h>

#include <algorithm>
#include <boost/property_tree/ptree.hpp>
#include <set>

#include "flow/settings.h"
#include "sql/check.h"
#include "weir/spec.h"

namespace weir::catalogue {

namespace {

using Tree = boost::property_tree::ptree;

/// The end of the $( … ) that begins at `at`; the text's end if it never closes.
std::size_t end_of_sql(std::string_view text, std::size_t at) {
  int depth = 0;
  char quote = 0;
  for (auto i = at + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return text.size();
}

std::string value_of(const Tree& settings, const std::string& property) {
  const auto found = settings.find(property);
  if (found == settings.not_found()) return {};
  const auto& tree = found->second;
  if (tree.empty()) return tree.data();
  std::string joined;
  for (const auto& [key, child] : tree) joined += (joined.empty() ? "" : ",") + child.data();
  return joined;
}

/// {a|b} is what the flow says of a, or else of b.
std::string rendered(std::string_view text, const Tree& settings) {
  std::string result;
  while (!text.empty()) {
    const auto open = text.find('{');
    result += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) break;
    auto names = text.substr(open + 1, close - open - 1);
    for (std::string value; !names.empty() && value.empty();) {
      const auto bar = std::min(names.find('|'), names.size());
      value = value_of(settings, std::string(names.substr(0, bar)));
      result += value;
      names.remove_prefix(std::min(bar + 1, names.size()));
    }
    text.remove_prefix(close + 1);
  }
  return result;
}

/// Of a path whose folders depend on the data: those that do not.
std::string fixed_part(const std::string& path) {
  const auto sql = path.find("$(");
  if (sql == std::string::npos) return path;
  const auto slash = path.rfind('/', sql);
  return slash == std::string::npos || slash == 0 ? generalised(path, "…") : path.substr(0, slash);
}

std::vector<std::string> listed(const flow::Processor& processor, const std::string& label) {
  std::vector<std::string> items;
  const auto found = processor.labels.find(label);
  if (found == processor.labels.end()) return items;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    auto item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
  }
  return items;
}

std::string label(const flow::Processor& processor, const std::string& name) {
  const auto found = processor.labels.find(name);
  return found == processor.labels.end() ? std::string() : found->second;
}

/// What is known of the rows that a sink makes of a record by its columns.
std::shared_ptr<const sql::Declaration> written(const sql::Declaration& input,
                                                const std::vector<std::pair<std::string, std::string>>& columns) {
  auto result = std::make_shared<sql::Declaration>();
  result->name = input.name;
  result->extra_allowed = false;
  for (const auto& [name, sql] : columns) {
    sql::Field field;
    if (const auto* same = input.find(sql); same != nullptr) {
      field = *same;
    } else {
      const auto made = sql::check(abi::Kind::select, "SELECT " + sql + "\nAS result FROM record", &input).output;
      if (made && made->fields.size() == 1) field = made->fields.front();
    }
    field.name = name;
    result->fields.push_back(std::move(field));
  }
  return result;
}

class Catalogue {
 public:
  explicit Catalogue(const flow::Flow& flow) : flow_(flow) {}

  std::vector<Dataset> datasets() const {
    std::vector<Dataset> result;
    for (std::uint32_t i = 0; i < flow_.processors.size(); ++i) {
      const auto& processor = flow_.processors[i];
      if (processor.type == nullptr || is_source(processor)) continue;
      if (const auto* declared = declared_dataset(*processor.type)) result.push_back(dataset(i, *declared));
    }
    return result;
  }

 private:
  static bool is_source(const flow::Processor& processor) {
    return (processor.type->spec()->flags & abi::kSource) != 0;
  }

  Tree settings(const flow::Processor& processor) const {
    return flow::masked(processor.settings, *processor.type->spec(), flow_.secrets);
  }

  Dataset dataset(std::uint32_t at, const abi::Dataset& declared) const {
    const auto& processor = flow_.processors[at];
    const auto own = settings(processor);
    Dataset d;
    d.flow = flow_.name;
    d.processor = processor.name;
    d.type = view(processor.type->spec()->type);
    d.kind = view(declared.kind);
    d.location = rendered(view(declared.location), own);
    d.name = label(processor, "dataset");
    if (d.name.empty()) d.name = fixed_part(rendered(view(declared.name), own));
    if (d.name.empty()) d.name = processor.name;
    d.description = processor.description;
    d.owner = label(processor, "owner");
    d.tags = listed(processor, "tags");
    d.sensitive = listed(processor, "sensitive");
    d.delivered_exactly_once = processor.exactly_once;
    d.query = query_for(d.kind, rendered(view(declared.name), own), d.location);
    d.input = processor.input_record;
    d.schema = processor.input_record;
    const std::string columns(view(declared.columns));
    if (const auto found = own.find(columns); !columns.empty() && found != own.not_found()) {
      for (const auto& [name, sql] : found->second) d.columns.emplace_back(name, sql.data());
      if (d.input && !d.columns.empty()) d.schema = written(*d.input, d.columns);
    }
    lead_back(at, d);
    return d;
  }

  /// Everything upstream of a processor.
  void lead_back(std::uint32_t at, Dataset& d) const {
    std::set<std::uint32_t> seen{at};
    std::vector<std::uint32_t> waiting{at};
    while (!waiting.empty()) {
      const auto to = waiting.back();
      waiting.pop_back();
      const auto& processor = flow_.processors[to];
      if (processor.type != nullptr && is_source(processor)) d.origins.push_back(origin(processor));
      for (const auto& connection : flow_.connections) {
        if (connection.to != to) continue;
        const auto& from = flow_.processors[connection.from];
        d.steps.push_back({from.name, from.relationships[connection.relationship], processor.name});
        if (to == at) d.connections.push_back(connection.id);
        if (seen.insert(connection.from).second) waiting.push_back(connection.from);
      }
    }
    std::reverse(d.steps.begin(), d.steps.end());
  }

  Origin origin(const flow::Processor& processor) const {
    Origin o;
    o.processor = processor.name;
    o.type = view(processor.type->spec()->type);
    o.description = processor.description;
    if (const auto* declared = declared_dataset(*processor.type)) {
      const auto own = settings(processor);
      o.kind = view(declared->kind);
      o.name = rendered(view(declared->name), own);
      o.location = rendered(view(declared->location), own);
    }
    return o;
  }

  const flow::Flow& flow_;
};

}  // namespace

bool Dataset::is_sensitive(const std::string& field) const {
  return std::find(sensitive.begin(), sensitive.end(), field) != sensitive.end();
}

const abi::Dataset* declared_dataset(const abi::ProcessorType& type) {
  // The plugin is the file that its type's object is in. It is loaded: this only counts one more user of it.
  Dl_info file{};
  if (::dladdr(&type, &file) == 0 || file.dli_fname == nullptr) return nullptr;
  void* const library = ::dlopen(file.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  const auto entry = reinterpret_cast<abi::DatasetsEntry>(::dlsym(library, abi::kDatasetsEntry));
  if (entry == nullptr) return nullptr;
  const auto* datasets = entry();
  for (std::uint32_t i = 0; i < datasets->count(); ++i) {
    if (view(datasets->dataset(i)->type) == view(type.spec()->type)) return datasets->dataset(i);
  }
  return nullptr;
}

std::string generalised(std::string_view text, std::string_view with) {
  std::string result;
  while (!text.empty()) {
    const auto sql = text.find("$(");
    result += text.substr(0, sql);
    if (sql == std::string_view::npos) break;
    result += with;
    text.remove_prefix(end_of_sql(text, sql));
  }
  return result;
}

std::vector<Dataset> datasets_of(const flow::Flow& flow) {
  return Catalogue(flow).datasets();
}

}  // namespace weir::catalogue
