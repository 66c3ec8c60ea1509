#[allow(unused_variables, clippy::all, clippy::pedantic)]
const _: () = {
    use ::tabagent_api::__private as __t;
    use __t::{UnlessDefault as _, UnlessSchemaType as _, UnlessValidated as _};
    const _: () = if !<__t::FieldType<String>>::IS_KNOWN {
        ::core::panic!(
            "{}",
            "[schema-type-unknown] `String` has no schema\n  help: derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`"
        )
    };
    const _: () = if !<__t::FieldType<Place>>::IS_KNOWN {
        ::core::panic!(
            "{}",
            "[schema-type-unknown] `Place` has no schema\n  help: derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`"
        )
    };
    #[automatically_derived]
    impl __t::Ruled for Step {
        const RULES: &'static [(&'static str, __t::ValidationRule)] = &[
            (
                "text",
                __t::ValidationRule::Length {
                    min: ::core::option::Option::None,
                    max: ::core::option::Option::Some(10usize),
                },
            ),
        ];
    }
    #[automatically_derived]
    impl __t::SchemaType for Step {
        const IN_TEXT: bool = false;
        const FIELDS: __t::TextFields = __t::TextFields::None;
        fn usage() -> __t::serde_json::Value {
            __t::reference("Step")
        }
        fn collect(__list: &mut __t::SchemaList) {
            __t::collect_named::<Self>(__list);
        }
    }
    #[automatically_derived]
    impl __t::utoipa::PartialSchema for Step {
        fn schema() -> __t::utoipa::openapi::RefOr<__t::utoipa::openapi::Schema> {
            let __schema = __t::described(
                __t::choice_schema(
                    "oneOf",
                    ::std::vec![
                        __t::described({ let mut __object =
                        __t::ObjectSchema::new(false); __object.field("type", & [], true,
                        false, __t::names_schema(& [("wait", "")])); __object.finish() },
                        "Wait."), __t::described({ let mut __object =
                        __t::ObjectSchema::new(false); __object.field("type", & [], true,
                        false, __t::names_schema(& [("say", "")])); __object
                        .field("text", & [], true, false, __t::described(__t::ruled(<
                        __t::FieldType < String >> ::usage(), &
                        [__t::ValidationRule::Length { min :
                        ::core::option::Option::None, max :
                        ::core::option::Option::Some(10usize) }]), "")); __object
                        .finish() }, ""), __t::described({ let mut __object =
                        __t::ObjectSchema::new(false); __object.field("type", & [], true,
                        false, __t::names_schema(& [("go", "")])); __object
                        .flatten(__t::ruled(< __t::FieldType < Place >> ::usage(), &
                        [])); __object.finish() }, "")
                    ],
                ),
                "What to do.",
            );
            __t::opaque(__t::marked::<Self>(__schema))
        }
    }
    #[automatically_derived]
    impl __t::utoipa::ToSchema for Step {
        fn name() -> ::std::borrow::Cow<'static, str> {
            ::std::borrow::Cow::Borrowed("Step")
        }
        fn schemas(__list: &mut __t::SchemaList) {
            <__t::FieldType<String>>::collect(__list);
            <__t::FieldType<Place>>::collect(__list);
        }
    }
    #[automatically_derived]
    impl __t::garde::Validate for Step {
        type Context = ();
        fn validate_into(
            &self,
            (): &(),
            __parent: &mut dyn ::core::ops::FnMut() -> __t::garde::Path,
            __report: &mut __t::garde::Report,
        ) {
            match self {
                Self::Wait => {}
                Self::Say { text: __f0 } => {
                    let __value = __f0;
                    let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut ||
                    __parent().join("text");
                    __t::rule_length(
                        __value,
                        &__t::ValidationRule::Length {
                            min: ::core::option::Option::None,
                            max: ::core::option::Option::Some(10usize),
                        },
                        __at,
                        __report,
                    );
                    <__t::FieldType<String>>::check(__value, __at, __report);
                    <__t::Inside<String>>::validate(__value, __at, __report);
                }
                Self::Go(__f0) => {
                    let __value = __f0;
                    let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut ||
                    __parent();
                    <__t::FieldType<Place>>::check(__value, __at, __report);
                    <__t::Inside<Place>>::validate(__value, __at, __report);
                }
            }
        }
    }
};
