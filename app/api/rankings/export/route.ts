/** @file The rankings as a file, in the layout asked for. */
import { sendRankings } from "@/server/exchange/rankings-routes";

export const dynamic = "force-dynamic";

export const GET = (request: Request): Promise<Response> => sendRankings(request);
