// @ts-nocheck: as the programs that it is for
// What the programs of this folder share: where the server is, and the person, who is the simulator.
export const domain = process.env.DOMAIN;
export const userId = process.env.USER_ID;

export async function decide(authReqId, action) {
  const query = new URLSearchParams({ auth_req_id: authReqId, action });
  const { status } = await fetch(`https://${domain}/simulator/decide?${query}`, { method: 'POST' });
  if (status !== 204) throw new Error(`the simulator said ${status}`);
}

/** One line for the test that started the program. */
export const print = (name, value) => console.log(JSON.stringify({ [name]: value }));
