// The record processors: SQL over the records that FlowFiles hold.

#include "weir/plugin.h"

#include "records/filter.h"
#include "records/route.h"
#include "records/select.h"
#include "records/update_record.h"

WEIR_PLUGIN(weir::type<weir::records::Filter>(weir::records::filter_spec()),
            weir::type<weir::records::Route>(weir::records::route_spec()),
            weir::type<weir::records::Select>(weir::records::select_spec()),
            weir::type<weir::records::UpdateRecord>(weir::records::update_spec()))
