#include "flatten_json.h"

#include "weir/json_members.h"
#include "weir/split.h"

namespace weir::json {

namespace {

enum : std::uint32_t { kSuccess, kFirstChild = 2 };  // after failure

}  // namespace

const Fields<FlattenChild>& FlattenChild::fields() {
  static const auto fields =
      Fields<FlattenChild>()
          .property("path", &FlattenChild::path,
                    {.help = "Where the elements are: names joined by dots, or a JSON Pointer. Arrays on the way stand "
                             "for each of their elements.",
                     .example = "orders.items",
                     .required = true})
          .property("keys", &FlattenChild::keys,
                    {.help = "Fields of the child that come from its parents: name, and path from the record on.",
                     .example = "{customer_id: id, order_id: orders.id}"})
          .property("index", &FlattenChild::index,
                    {.help = "A field for the element's place in its array, from 0.", .example = "position"});
  return fields;
}

const Spec<FlattenJsonSettings>& flatten_json_spec() {
  static const auto spec =
      Spec<FlattenJsonSettings>("FlattenJson", "Makes nested records flat, and arrays in them records of their own.")
          .description(
              "`{\"id\":1,\"home\":{\"city\":\"Oslo\"}}` becomes `{\"id\":1,\"home_city\":\"Oslo\"}`: a member of a "
              "nested object becomes a field named by the names on the way, joined by `separator`. Values keep their "
              "bytes; an object without members stays `{}`.\n\n"
              "**Arrays** are kept as JSON, or with `arrays: index` become fields by place (`tags_0`, `tags_1`; an "
              "empty one stays `[]`). Two more things can be done with those that are named by their path:\n"
              "- `children` makes each element a record of its own, in a relationship of its own, with the fields of "
              "its parents that `keys` names; the array is left out of its parent. An element that is no object gets "
              "one field, `value`. Children may lie in children (`orders` and `orders.items`). An object at the path "
              "counts as one element; null, or nothing, as none.\n"
              "- `explode` repeats the record for each element, as SQL's unnest does: the element's fields stand where "
              "the array stood (`items_sku`). A record without elements stays one record without those fields.\n\n"
              "An array that is kept as JSON keeps what is in it, also what is a child.\n\n"
              "**Names that meet** (`a_b` beside `a: {b: …}`, or a key beside a member of the same name) send the "
              "record to `failure`, "
              "or with `collisions: last` the one further behind counts. Of members with the same name in one object "
              "the last counts, as everywhere. A record fails as a whole: no child of it leaves. A child whose key is "
              "missing, null or itself nested fails its record too.")
          .example(
              "type: FlattenJson\nchildren:\n  orders:\n    path: orders\n    keys: {customer_id: id}\n"
              "  items:\n    path: orders.items\n    keys: {customer_id: id, order_id: orders.id}\n    index: "
              "position\n")
          .property(
              "separator", &FlattenJsonSettings::separator,
              {.help = "Between the names. The default makes names that SQL can read as they are.", .example = "."})
          .property("arrays", &FlattenJsonSettings::arrays,
                    {.help = "Of arrays that are neither exploded nor children: kept as JSON, or a field an element.",
                     .choices = {"keep", "index"}})
          .property("explode", &FlattenJsonSettings::explode,
                    {.help = "The path of an array whose elements each repeat the record. Arrays on the way are "
                             "exploded too.",
                     .example = "orders.items"})
          .property("max_depth", &FlattenJsonSettings::max_depth,
                    {.help = "Objects (and with `index`, arrays) nested deeper stay as JSON; 1 leaves all as it is. 0: "
                             "no limit but that of all JSON, 1024.",
                     .max = 1024})
          .property("collisions", &FlattenJsonSettings::collisions,
                    {.help = "What becomes of two fields with the same name.", .choices = {"fail", "last"}})
          .property("children", &FlattenJsonSettings::children,
                    {.help = "Relationships, and the elements that go there as records."})
          .relationship({"success", "The flat records."})
          .relationship({"failure", "Records that cannot be read or made flat, unchanged."})
          .relationships_from("children");
  return spec;
}

FlattenJson::FlattenJson(FlattenJsonSettings settings)
    : settings_(std::move(settings)), flat_(settings_.collisions == "last") {
  if (settings_.explode) {
    explode_ = parse_member_path("explode", *settings_.explode);
    for (std::size_t steps = 1; steps <= explode_.size(); ++steps)
      node_at({explode_.begin(), explode_.begin() + static_cast<std::ptrdiff_t>(steps)}).explode = steps;
  }
  for (const auto& [name, given] : settings_.children) {
    const auto property = "children." + name;
    Child child{name, parse_member_path(property + ".path", given.path), {}, given.index, nullptr};
    for (const auto& [key, path] : given.keys)
      child.keys.emplace_back(key, parse_member_path(property + ".keys." + key, path));
    auto& node = node_at(child.path);
    if (node.taken) throw Misconfigured(property + ".path: '" + given.path + "' is the path of another child already");
    if (node.explode != 0)
      throw Misconfigured(property + ".path: '" + given.path + "' is exploded; it cannot be a child as well");
    node.taken = true;
    child.node = &node;
    children_.push_back(std::move(child));
  }
}

FlattenJson::Node& FlattenJson::node_at(const MemberPath& path) {
  auto* node = &root_;
  for (const auto& name : path) {
    auto& next = node->next[name];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  return *node;
}

void FlattenJson::start(Context& context) {
  statement_ = Query(context).column("NULL").prepare();
}

void FlattenJson::step(Batch batch, Session& session) {
  RecordSplit split(session, batch, [&](FlowFile file) { session.transfer(file, kSuccess); });  // an empty array
  statement_.run(session, batch, [&](const Row& row) {
    split.begin(row);
    if (row.error.size > 0) return split.reject(view(row.error));
    const auto json = view(row.json);
    if (!object_.read(json)) return split.reject(object_.error());
    try {
      flatten_record(json);
    } catch (const Rejected& error) {
      return split.reject(error.what());
    }
    for (const auto& [relationship, record] : made_) split.route(relationship, record);
  });
  split.end();
}

void FlattenJson::flatten_record(std::string_view record) {
  made_.clear();
  const auto add_row = [&](const Chain* chain) {
    exploded_ = chain;
    flat_.clear();
    add_members(record, {}, &root_, 1);
    made_.emplace_back(kSuccess, flat_.json());
  };
  if (explode_.empty()) {
    add_row(nullptr);
  } else {
    each_row_at(record, explode_, [&](const Chain& chain) { add_row(&chain); });
  }
  exploded_ = nullptr;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    each_element_at(record, children_[i].path, [&](const Chain& chain, std::size_t index) {
      add_child(children_[i], kFirstChild + static_cast<std::uint32_t>(i), chain, index);
    });
  }
}

void FlattenJson::add_child(const Child& child, std::uint32_t relationship, const Chain& chain, std::size_t index) {
  flat_.clear();
  for (const auto& [name, path] : child.keys) {
    const auto token = token_at(chain, child.path, path);
    if (token.empty() || token == "null" || token.starts_with('{') || token.starts_with('['))
      throw Rejected("the key " + name + " of " + child.relationship + " is " +
                     (token.empty()     ? "missing"
                      : token == "null" ? "null"
                                        : "no single value"));
    add_field(name, token);
  }
  if (child.index) {
    number_ = std::to_string(index);
    add_field(*child.index, number_);
  }
  const auto element = chain.back();
  if (element.starts_with('{')) {
    add_members(element, {}, child.node, 1);
  } else {
    add_value(element, "value", nullptr, 1);
  }
  made_.emplace_back(relationship, flat_.json());
}

void FlattenJson::add_members(std::string_view object, const std::string& prefix, const Node* node,
                              std::uint32_t depth) {
  for (const auto& member : members_of(object)) {
    const Node* next = nullptr;
    if (node != nullptr) {
      const auto at = node->next.find(member.name);
      if (at != node->next.end()) next = at->second.get();
    }
    if (next != nullptr && next->taken) continue;
    const auto name = prefix.empty() ? member.name : prefix + settings_.separator + member.name;
    if (next != nullptr && next->explode != 0 && exploded_ != nullptr) {
      // The element chosen for this row, if there is one.
      if (next->explode < exploded_->size()) add_value((*exploded_)[next->explode], name, next, depth);
    } else {
      add_value(member.token, name, next, depth);
    }
  }
}

void FlattenJson::add_value(std::string_view token, const std::string& name, const Node* node, std::uint32_t depth) {
  const bool deeper = settings_.max_depth == 0 || depth < settings_.max_depth;
  const auto inside = token.size() < 2 ? std::string_view::npos : token.find_first_not_of(" \t\r\n", 1);
  if (deeper && token[0] == '{' && token[inside] != '}') return add_members(token, name, node, depth + 1);
  if (deeper && token[0] == '[' && token[inside] != ']' && settings_.arrays == "index") {
    std::size_t place = 0;
    each_json_element(token, [&](std::string_view element) {
      add_value(element, name + settings_.separator + std::to_string(place++), node, depth + 1);
    });
    return;
  }
  add_field(name, token);
}

void FlattenJson::add_field(const std::string& name, std::string_view token) {
  if (!flat_.add(name, token)) throw Rejected("two fields would be called '" + name + "' once the record is flat");
}

}  // namespace weir::json
