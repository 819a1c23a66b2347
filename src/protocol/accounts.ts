import type { Account } from 'oidc-provider';
import { DomainError } from '../domain/errors.ts';
import type { User } from '../domain/user.ts';
import type { Users } from '../domain/users.ts';

/** The part of a Koa context that remembers whom this request is about, so that one read is enough. */
export interface Remembering {
  state: { user?: User };
}

export interface Accounts {
  /** The user, if there is one who may be authenticated: active. Locked and deactivated are like unknown (ruling 11). */
  find(ctx: Remembering, id: string): Promise<User | undefined>;
  /** The same in the engine's shape; it calls this at start, redemption, refresh and userinfo (ruling 13). */
  findAccount(ctx: Remembering, id: string): Promise<Account | undefined>;
}

export function createAccounts({ users }: { users: Pick<Users, 'get'> }): Accounts {
  const find = async (ctx: Remembering, id: string): Promise<User | undefined> => {
    if (ctx.state.user?.id === id) return ctx.state.user;
    const user = await orUndefined(users.get(id), 'user_not_found');
    if (user?.state !== 'active') return undefined;
    ctx.state.user = user;
    return user;
  };
  return {
    find,
    async findAccount(ctx, id) {
      const user = await find(ctx, id);
      return user && { accountId: user.id, claims: () => claimsOf(user) };
    },
  };
}

/** Which scope releases which claim. Attributes belong to the integrator and are not among them. */
export const claimsOfScope = {
  openid: ['sub', 'acr', 'amr', 'auth_time'],
  profile: ['name', 'preferred_username', 'locale'],
  email: ['email'],
  phone: ['phone_number'],
};

/** All that there is; the engine takes what the scope allows. */
function claimsOf(user: User): { sub: string; [claim: string]: unknown } {
  return {
    sub: user.id,
    name: user.name,
    preferred_username: user.username,
    locale: user.language,
    email: user.email,
    phone_number: user.phone,
  };
}

/** An expected refusal as a value. */
export async function orUndefined<T>(work: Promise<T>, ...codes: DomainError['code'][]): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DomainError && codes.includes(error.code)) return undefined;
    throw error;
  }
}
