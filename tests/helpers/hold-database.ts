/** @file A process of its own that opens the data folder named by ATTUNE_DATA, says so on standard output, and stays. */
import { openDatabase } from "@/server/db/open-database";

const dataFolder = process.env.ATTUNE_DATA;
if (!dataFolder) throw new Error("ATTUNE_DATA is not set.");
try {
  await openDatabase({ dataFolder, databaseUrl: process.env.DATABASE_URL, purpose: "test holder" });
  console.log("open");
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(error instanceof Error ? `${error.name}: ${error.message}` : "unknown");
  process.exit(1);
}
