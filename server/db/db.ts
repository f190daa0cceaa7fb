/** @file The database handle that domain code takes: one type for the embedded and the external home. */
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type * as schema from "@/drizzle/schema";

/** What `db.execute` gives, by the part that both drivers share. */
type Rows<Row> = { rows: Row[] };
interface RowsResult extends PgQueryResultHKT {
  type: Rows<this["row"]>;
}

export type Db = PgDatabase<RowsResult, typeof schema>;

/** Inside `db.transaction`. Every Tx is a Db, so a function that takes a Db joins its caller's transaction. */
export type Tx = Parameters<Parameters<Db["transaction"]>[0]>[0];
