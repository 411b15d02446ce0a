// CSV (RFC 4180) in and out.
//
//   row_parser.h   rows out of text        column.h      cells to JSON values
//   read_csv.h     files to records        write_csv.h   records to files

#include "weir/plugin.h"
#include "read_csv.h"
#include "write_csv.h"

WEIR_PLUGIN(weir::type<weir::csv::ReadCsv>(weir::csv::read_csv_spec()),
            weir::type<weir::csv::WriteCsv>(weir::csv::write_csv_spec()))
