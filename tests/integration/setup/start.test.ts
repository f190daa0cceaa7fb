/** @file `npm start`: what it does the first time, what it skips the second, and what it says when something is wrong. */
import fs from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { fakeProject } from "../../helpers/fake-project";

test("the first start does every step, the second only serves", async () => {
  await using project = await fakeProject();
  const first = project.start();
  await first.says("serving");
  first.child.kill("SIGINT");
  expect((await first.ended).code).toBe(0);
  const steps = await project.steps();
  expect(steps[0]).toBe("npm ci");
  expect(steps.slice(1, 3).sort()).toEqual(["models pull", "next build"]);
  expect(steps[3]).toBe("serve");

  const second = project.start();
  await second.says("serving");
  second.child.kill("SIGINT");
  expect((await second.ended).code).toBe(0);
  expect(await project.steps()).toEqual(["serve"]);
});

test("a changed page is built again and a changed lockfile installed again", async () => {
  await using project = await fakeProject();
  const run = async () => {
    const started = project.start();
    await started.says("serving");
    started.child.kill("SIGINT");
    await started.ended;
    return project.steps();
  };
  await run();
  await fs.writeFile(path.join(project.folder, "app", "page.tsx"), "export default () => 1;");
  expect(await run()).toEqual(expect.arrayContaining(["next build", "serve"]));
  await fs.writeFile(path.join(project.folder, "package-lock.json"), '{ "changed": true }');
  expect((await run())[0]).toBe("npm ci");
});

test("an interrupted install says so and is done again", async () => {
  await using project = await fakeProject();
  const first = project.start({ FAKE_NPM: "hang" });
  await first.says("Installing packages");
  await expect
    .poll(() => fs.readFile(path.join(project.folder, "steps.txt"), "utf8").catch(() => ""))
    .toMatch(/npm/);
  first.child.kill("SIGINT");
  const { code, output } = await first.ended;
  expect(code).toBe(130);
  expect(output).toContain("the next `npm start` goes on from here");

  await project.steps();
  const second = project.start();
  await second.says("serving");
  expect((await project.steps())[0]).toBe("npm ci");
});

test("without a network npm's own words are shown, with what to do", async () => {
  await using project = await fakeProject();
  const { code, output } = await project.start({ FAKE_NPM: "offline" }).ended;
  expect(code).toBe(1);
  expect(output).toContain("npm error code ENOTFOUND");
  expect(output).toMatch(/To do: check that this machine reaches the npm registry/);
});

test("a page that does not build is shown and the next start builds again", async () => {
  await using project = await fakeProject();
  const { code, output } = await project.start({ FAKE_NEXT: "fail" }).ended;
  expect(code).toBe(1);
  expect(output).toContain("./app/page.tsx: Unexpected token");
  await project.steps();
  const second = project.start();
  await second.says("serving");
  expect(await project.steps()).toContain("next build");
});

test("without any model it says what to do", async () => {
  await using project = await fakeProject();
  const { code, output } = await project.start({ FAKE_MODEL: "fail" }).ended;
  expect(code).toBe(1);
  expect(output).toMatch(/no model anywhere[\s\S]*ATTUNE_MODEL=/);
});

test("a signal that comes twice at once, as npm and a terminal send it, reaches the server once", async () => {
  await using project = await fakeProject();
  const started = project.start();
  await started.says("serving");
  started.child.kill("SIGINT");
  setTimeout(() => started.child.kill("SIGINT"), 50);
  const { code, output } = await started.ended;
  expect(output).toContain("signals 1");
  expect(code).toBe(0);
});

test("the server's exit code becomes its own", async () => {
  await using project = await fakeProject();
  expect((await project.start({ FAKE_SERVE: "crash" }).ended).code).toBe(3);
});

test("a port in use is said before anything is installed", async () => {
  await using project = await fakeProject();
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const address = other.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const { code, output } = await project.start({ PORT: String(port) }).ended;
  other.close();
  expect(code).toBe(1);
  expect(output).toContain(`Port ${port} on 127.0.0.1 is in use.`);
  expect(output).toContain(`PORT=${port + 1} npm start`);
  expect(await project.steps()).toEqual([]);
});

test("an unwritable data folder is named", async () => {
  await using project = await fakeProject();
  const file = path.join(project.folder, "package.json", "data");
  const { code, output } = await project.start({ ATTUNE_DATA: file }).ended;
  expect(code).toBe(1);
  expect(output).toContain(`The data folder ${file} cannot be written to`);
});

test.each([
  [
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })",
    /This is Node 18\.20\.4; Attune needs 20\.19/,
  ],
  [
    "import fs from 'node:fs'; fs.statfsSync = () => ({ bavail: 1000, bsize: 4096 })",
    /0\.0 GB free at .*needs 3\.0 GB/,
  ],
])("too old a Node and too full a disk are refused in numbers: %s", async (patch, message) => {
  await using project = await fakeProject();
  const patchUrl = `data:text/javascript,${encodeURIComponent(patch)}`;
  const { code, output } = await project.start({}, ["--import", patchUrl]).ended;
  expect(code).toBe(1);
  expect(output).toMatch(message);
  expect(output).toContain("Safe: nothing was changed.");
  expect(await project.steps()).toEqual([]);
});
