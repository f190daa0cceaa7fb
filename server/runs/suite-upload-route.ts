/** @file Plain HTTP of suites: an archive is bytes. */
import { checkUpload } from "../auth/request-checks";
import { uploadSuite } from "../domain/evaluation/uploaded-suites";
import { forMembers } from "../member-route";

const mostBytes = 32 * 2 ** 20;

/** POST: a suite as .zip, .tar or .tar.gz. */
export function takeSuite(request: Request): Promise<Response> {
  const guard = { permission: "models.manage", refusal: "Your account may not upload suites." } as const;
  return forMembers(request, guard, async ({ db, env }, user) => {
    const archive = Buffer.from(await (await checkUpload(request, env, mostBytes)).arrayBuffer());
    return Response.json(await uploadSuite(db, { archive, dataFolder: env.ATTUNE_DATA, actorId: user.id }));
  });
}
