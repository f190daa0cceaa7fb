/** @file Signing in and out, and reading the session. */
import { handleAuthRequest } from "@/server/auth/handle-auth-request";
import { processEnv } from "@/server/env";
import { addressOf, processAuth } from "@/server/request-context";

const handle = (request: Request): Promise<Response> =>
  handleAuthRequest(request, { auth: processAuth(), env: processEnv(), address: addressOf(request.headers) });

export { handle as GET, handle as POST };
